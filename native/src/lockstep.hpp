// A sampling whose neighbours come from elsewhere: all chunks go through the stages together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "assembly.hpp"
#include "growth.hpp"

namespace weft {

// Runs the stages of a plan over seeds; whoever holds the rows answers. The result equals that of `sample` when the
// answers are those that the whole graph would give.
//
//   Lockstep work(schema, plan, seeds);
//   work.plant(times, source_rows);                // of the seeds
//   while (work.next()) work.take(counts, rows, times);   // for work.asks() of work.stage()
//   Sample sample = work.finish();                  // without values
class Lockstep {
 public:
  // `schema` has the tables and links of the graph and no segments; it, and what `seeds` views, must outlive this.
  Lockstep(const Graph& schema, Plan plan, const Seeds& seeds);

  // Times and numbers in the prepared tables, one per seed.
  void plant(std::span<const std::int64_t> times_us, std::span<const std::uint64_t> source_rows);
  // Goes on to the next stage that has asks; false when there is none.
  bool next();
  const Stage& stage() const noexcept { return stages_[at_]; }
  // What to expand, chunk after chunk; scopes are numbered over all chunks.
  std::span<const Ask> asks() const noexcept { return asks_; }
  std::int64_t anchor_us(std::uint32_t scope) const noexcept { return division_.anchors_us[scope]; }
  std::uint32_t scope_of_seed(std::size_t seed) const noexcept { return division_.scope_of_seed[seed]; }
  // Answers the asks: how many rows each reached, and those rows with their times, ask after ask, most recent
  // first. Throws GRAPH084 (invariant) when the numbers do not add up: nothing of the answer is kept.
  void take(std::span<const std::uint32_t> counts, std::span<const std::uint32_t> rows,
            std::span<const std::int64_t> times_us);
  Sample finish();
  const std::vector<char>& is_hidden() const noexcept { return is_hidden_; }

 private:
  const Graph& schema_;
  Plan plan_;
  Seeds seeds_;
  Division division_;
  std::vector<EdgeKind> kinds_;
  std::vector<Stage> stages_;
  std::vector<ChunkResult> chunks_;
  std::vector<Neighborhood> neighborhoods_;
  std::vector<Growth> growths_;
  std::vector<std::uint32_t> position_in_chunk_;
  std::vector<char> is_hidden_;
  std::size_t at_ = 0;
  bool is_asking_ = false;
  std::vector<Ask> asks_;
  std::vector<std::size_t> first_ask_;     // per chunk, and the end
  std::vector<std::uint32_t> first_row_;   // per chunk: position of the row of its first ask
};

}  // namespace weft
