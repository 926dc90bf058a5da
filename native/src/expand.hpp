// One step of sampling: from rows of one table to their neighbours over one link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "buffer.hpp"
#include "graph.hpp"
#include "strategy.hpp"

namespace weft {

// Walk one link from the rows that the hop before reached.
struct Step {
  std::uint32_t link = 0;
  bool toward_parent = false;
  Strategy strategy;
};

// A row to expand, on behalf of a scope: the anchor that it must not look past.
struct Ask {
  std::uint32_t row;
  std::uint32_t scope;
  std::uint64_t key;  // of its random draws
};

// What was reached, ask after ask, most recent first within an ask.
struct Reached {
  Growing<std::uint32_t> row;
  Growing<std::int64_t> time_us;  // kNoTime for rows without one
  Growing<std::uint32_t> count;   // per ask

  void clear() noexcept {
    row.clear();
    time_us.clear();
    count.clear();
  }
};

// The anchors of the scopes that are worked on together, with their limits in every segment.
class Scopes {
 public:
  Scopes(const Graph& graph, std::span<const std::int64_t> anchors_us);
  std::size_t size() const noexcept { return anchors_us_.size(); }
  std::int64_t anchor_us(std::uint32_t scope) const noexcept { return anchors_us_[scope]; }
  const Limit& limit(std::uint32_t scope, std::uint32_t index) const noexcept {
    return limits_[std::size_t{scope} * num_limits_ + index];
  }

 private:
  std::span<const std::int64_t> anchors_us_;
  std::uint32_t num_limits_;
  std::vector<Limit> limits_;
};

// Edges that must not be walked, in neither direction. An edge of a link is named by its child row.
class Exclusions {
 public:
  struct Child {
    std::uint32_t row;
    std::int64_t time_us;
  };
  // Excludes an edge for one scope, or for all of them (kAll).
  void add(const Graph& graph, std::uint32_t link, std::uint32_t child_row, std::uint32_t scope);
  // The same for an edge whose child row may be elsewhere.
  void add(std::uint32_t link, std::uint32_t parent_row, Child child, std::uint32_t scope);
  bool has(std::uint32_t link) const noexcept { return link < by_link_.size() && !by_link_[link].empty(); }
  bool is_excluded(std::uint32_t link, std::uint32_t parent_row, std::uint32_t child_row, std::uint32_t scope) const;
  // Appends the children of a parent that a scope must not reach.
  void children_of(std::uint32_t link, std::uint32_t parent_row, std::uint32_t scope,
                   std::vector<Child>& out) const;

 private:
  struct Entry {
    Child child;
    std::uint32_t scope;  // kAll: every scope
  };
  std::vector<std::unordered_map<std::uint32_t, std::vector<Entry>>> by_link_;  // by parent row
};

// Reaches the parent of each row, where it has one that is visible. Appends at most one row per ask.
//
// Work is done in passes over a block of asks, each prefetching what the next one reads.
// Errors: GRAPH004 when a block of a file is damaged.
void expand_to_parent(const Graph& graph, std::uint32_t link, std::span<const Ask> asks, const Scopes& scopes,
                      const Exclusions& exclusions, std::uint32_t first_scope, Reached& out);

// Reaches the visible children of each row that the strategy chooses.
//
// O(log degree) per ask to find what is visible, O(fanout) to take it. Errors: GRAPH004.
void expand_to_children(const Graph& graph, std::uint32_t link, const Strategy& strategy, std::span<const Ask> asks,
                        const Scopes& scopes, const Exclusions& exclusions, std::uint32_t first_scope, Reached& out);

// Either of the two, as the step says.
void expand(const Graph& graph, const Step& step, std::span<const Ask> asks, const Scopes& scopes,
            const Exclusions& exclusions, std::uint32_t first_scope, Reached& out);

}  // namespace weft
