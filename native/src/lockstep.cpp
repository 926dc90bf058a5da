#include "lockstep.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "error.hpp"

namespace weft {

Lockstep::Lockstep(const Graph& schema, Plan plan, const Seeds& seeds)
    : schema_(schema),
      plan_(std::move(plan)),
      seeds_(seeds),
      division_(divide(seeds, plan_.is_shared)),
      kinds_(edge_kinds(schema, plan_)),
      stages_(stages_of(schema, plan_, kinds_)),
      chunks_(division_.num_chunks()),
      neighborhoods_(division_.num_chunks()),
      position_in_chunk_(seeds.rows.size()),
      is_hidden_(seeds.rows.size()) {
  growths_.reserve(chunks_.size());
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    growths_.emplace_back(plan_, division_.anchors_of(c), schema.tables.size(), kinds_.size(), neighborhoods_[c],
                          chunks_[c]);
  }
}

void Lockstep::plant(std::span<const std::int64_t> times_us, std::span<const std::uint64_t> source_rows) {
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    for (const std::uint32_t seed : division_.seeds_of_chunk[c]) {
      const auto [position, is_hidden] =
          growths_[c].add_seed(seeds_.table, division_.scope_of_seed[seed] - division_.first_scope[c],
                               seeds_.rows[seed], times_us[seed], source_rows[seed]);
      position_in_chunk_[seed] = position;
      is_hidden_[seed] = is_hidden;
    }
    growths_[c].end_seeds();
  }
}

bool Lockstep::next() {
  while (at_ < stages_.size()) {
    asks_.clear();
    first_ask_.clear();
    first_row_.clear();
    for (std::size_t c = 0; c < chunks_.size(); ++c) {
      const auto [first, end] = growths_[c].start(stages_[at_]);
      first_ask_.push_back(asks_.size());
      first_row_.push_back(first);
      growths_[c].ask(stages_[at_], first, std::max(first, end), asks_);
      for (std::size_t i = first_ask_.back(); i < asks_.size(); ++i) asks_[i].scope += division_.first_scope[c];
    }
    first_ask_.push_back(asks_.size());
    if (!asks_.empty()) {
      is_asking_ = true;
      return true;
    }
    for (Growth& growth : growths_) growth.end(stages_[at_]);
    ++at_;
  }
  return false;
}

void Lockstep::take(std::span<const std::uint32_t> counts, std::span<const std::uint32_t> rows,
                    std::span<const std::int64_t> times_us) {
  const std::uint64_t total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (!is_asking_ || counts.size() != asks_.size() || rows.size() != total || times_us.size() != total) {
    throw Error(Fault::invariant, "GRAPH084",
                "an answer with " + std::to_string(rows.size()) + " rows for " + std::to_string(counts.size()) +
                    " of " + std::to_string(asks_.size()) + " rows asked for does not add up.",
                "report this with the versions of client and shards.");
  }
  is_asking_ = false;
  std::size_t at = 0;
  std::vector<Ask> asks;
  Reached reached;
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    asks.assign(asks_.begin() + static_cast<std::ptrdiff_t>(first_ask_[c]),
                asks_.begin() + static_cast<std::ptrdiff_t>(first_ask_[c + 1]));
    reached.clear();
    for (std::size_t i = 0; i < asks.size(); ++i) {
      asks[i].scope -= division_.first_scope[c];
      const std::uint32_t count = counts[first_ask_[c] + i];
      reached.count.push_back(count);
      for (std::uint32_t k = 0; k < count; ++k, ++at) {
        reached.row.push_back(rows[at]);
        reached.time_us.push_back(times_us[at]);
      }
    }
    growths_[c].take(stages_[at_], first_row_[c], asks, reached);
    growths_[c].end(stages_[at_]);
  }
  ++at_;
}

Sample Lockstep::finish() {
  Sample out;
  Assembly assembly(schema_, kinds_, chunks_, division_, plan_.hops.size());
  assembly.lay_rows(out);
  assembly.lay_edges(out);
  for (std::size_t c = 0; c < chunks_.size(); ++c) assembly.copy(c, out);
  assembly.lay_seeds(seeds_.table, position_in_chunk_, out);
  return out;
}

}  // namespace weft
