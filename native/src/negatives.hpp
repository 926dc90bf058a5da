// Rows that are not linked to a seed, drawn at random from those that existed at its anchor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "graph.hpp"
#include "timeorder.hpp"

namespace weft {

enum class NegativeChoice : std::uint32_t {
  uniform = 0,     // every visible row with the same chance
  popularity = 1,  // in proportion to a row's visible children
  in_batch = 2,    // in proportion to how often a row is a positive of another seed
};

struct NegativeOptions {
  NegativeChoice choice = NegativeChoice::uniform;
  std::uint32_t table = 0;
  std::uint32_t link = 0;              // popularity: of its children
  const TimeOrder* rows = nullptr;     // of the table; not used in_batch
  const TimeOrder* parents = nullptr;  // popularity: over the link
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
};

// Rows per seed: those of seed i are rows[offsets[i] … offsets[i + 1]).
struct RowLists {
  std::span<const std::int64_t> offsets;  // num_seeds + 1, ascending from 0 to the number of rows
  std::span<const std::uint32_t> rows;
  std::span<const std::uint32_t> of(std::size_t seed) const {
    return rows.subspan(static_cast<std::size_t>(offsets[seed]),
                        static_cast<std::size_t>(offsets[seed + 1] - offsets[seed]));
  }
};

struct NegativeSeeds {
  std::span<const std::int64_t> anchors_us;
  std::span<const std::uint64_t> keys;  // tell seeds apart, whatever their row numbers
  RowLists excluded;                    // rows that must not be drawn; kNone is none
  RowLists positives;                   // in_batch; kNone is none
};

// Fills out[i * num … (i + 1) * num) with distinct rows for seed i, in the order drawn, and kNone where there
// are fewer. Drawn one after the other with the chances of the choice among those left; none is later than
// the anchor, excluded, or, in_batch, a positive of the seed itself.
//
// Draws by rejection, a few dozen nanoseconds each. After as many tries as listing the candidates takes steps,
// what is missing is drawn from that list, which leaves the distribution as it is. The same for any number of
// threads and any layout of the graph.
//
// Errors: GRAPH040 (user) for a positive that the table lacks.
void sample_negatives(const Graph& graph, const NegativeOptions& options, const NegativeSeeds& seeds,
                      std::uint32_t num, std::size_t threads, std::uint32_t* out);

}  // namespace weft
