// How neighbourhoods grow, stage by stage, wherever the neighbours come from.
//
// A stage asks for the neighbours of some rows over one link and takes the answers in. The local sampler answers a
// chunk's asks from mapped files; a client of shards answers those of all chunks together from their owners.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "expand.hpp"
#include "neighborhood.hpp"
#include "sampler.hpp"

namespace weft {

// One stage: a step of a hop, or the way on from a crossed table to its parents.
struct Stage {
  Step step;
  std::uint32_t hop = 0;      // counted from 0
  std::uint32_t kind = 0;     // index of its edges among edge_kinds
  std::uint32_t from = 0;     // table that is expanded
  std::uint32_t to = 0;       // table that is reached
  bool is_crossing = false;   // expands what the last stage that is not a crossing has reached
  bool is_empty = false;      // stands for a hop without steps
  bool ends_hop = false;
};

// The kinds of edges a plan makes, in order of first use.
std::vector<EdgeKind> edge_kinds(const Graph& graph, const Plan& plan);
// The stages of a plan, in order.
std::vector<Stage> stages_of(const Graph& graph, const Plan& plan, const std::vector<EdgeKind>& kinds);

// Which scopes there are, which seeds are in which, and which scopes are worked on together. Chunks are part of
// the order of a result: they depend on the seeds alone.
struct Division {
  std::vector<std::int64_t> anchors_us;     // per scope
  std::vector<std::uint32_t> scope_of_seed;
  std::vector<std::vector<std::uint32_t>> seeds_of_chunk;
  std::vector<std::uint32_t> first_scope;   // per chunk, and the end

  std::size_t num_chunks() const noexcept { return seeds_of_chunk.size(); }
  std::span<const std::int64_t> anchors_of(std::size_t chunk) const noexcept {
    return {anchors_us.data() + first_scope[chunk], first_scope[chunk + 1] - first_scope[chunk]};
  }
};

Division divide(const Seeds& seeds, bool is_shared);

// One chunk: some scopes, their seeds, and the neighbourhood that grows around them.
class Growth {
 public:
  Growth(const Plan& plan, std::span<const std::int64_t> anchors_us, std::size_t num_tables, std::size_t num_kinds,
         Neighborhood& neighborhood, ChunkResult& result);

  // Adds a seed, given its time and its number in the prepared table; returns its position among the rows of its
  // table and whether it is later than its own anchor.
  std::pair<std::uint32_t, bool> add_seed(std::uint32_t table, std::uint32_t scope, std::uint32_t row,
                                          std::int64_t time_us, std::uint64_t source_row);
  void end_seeds() {
    std::sort(hidden_.begin(), hidden_.end());
    neighborhood_.end_hop();
  }

  // Starts a stage; says which rows of the chunk it expands, as a range of positions.
  std::pair<std::uint32_t, std::uint32_t> start(const Stage& stage);
  // Appends the asks for positions [begin, end).
  void ask(const Stage& stage, std::uint32_t begin, std::uint32_t end, std::vector<Ask>& asks) const;
  // Takes in what was reached for the asks of positions from `begin` on. A seed later than its anchor reaches
  // nothing: what it points to is as little known as what it holds.
  void take(const Stage& stage, std::uint32_t begin, std::span<const Ask> asks, Reached& reached);
  void end(const Stage& stage) {
    if (stage.ends_hop) neighborhood_.end_hop();
  }

 private:
  void forget_hidden(std::uint32_t begin, Reached& reached) const;

  const Plan& plan_;
  std::span<const std::int64_t> anchors_us_;
  Neighborhood& neighborhood_;
  std::vector<std::uint64_t> keys_;  // per scope
  std::vector<std::uint32_t> hidden_;  // positions of seeds later than their anchors
  std::uint32_t before_ = 0;         // rows of the table that the last step reached, before it
  std::uint32_t after_ = kAll;       // and after it, once that is asked for
};

}  // namespace weft
