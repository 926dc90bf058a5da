// The children of one row in time order, whatever their layout: the general case behind expand_to_children.
#pragma once

#include <cstdint>
#include <vector>

#include "expand.hpp"

namespace weft {

// The code of the child at a position of a segment, 0 where the child table has no time.
std::uint32_t child_code(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position);
// The row number of the child at a position of a segment.
std::uint32_t child_row(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position);

// The exact time of the child at a position, kNoTime where it has none.
std::int64_t child_time_us(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position);
// Whether the child at a position is not later than a limit.
bool is_child_visible(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position, Limit limit);

// How many children of a parent are not later than the limits of an anchor, as `Graph::limits` writes them.
// O(segments · log degree).
std::uint32_t num_visible_children(const Graph& graph, std::uint32_t link, std::uint32_t parent_row,
                                   const Limit* limits);

// The visible children of one parent over any number of segments, merged: by time, rows without time first,
// equal times by number in the prepared table (segments follow it). Positions count from the oldest.
class VisibleChildren {
 public:
  struct Child {
    std::uint32_t row;
    std::int64_t time_us;
  };

  // `after` leaves out timed rows at or before an instant (kNoTime: none).
  VisibleChildren(const Graph& graph, std::uint32_t link, std::uint32_t parent_row, const Scopes& scopes,
                  std::uint32_t scope, std::int64_t after_us);
  // Leaves children out; each must be a child of the parent.
  void exclude(const std::vector<Exclusions::Child>& children);

  std::uint32_t count() const noexcept { return count_; }
  // O(segments · log² degree).
  Child at(std::uint32_t position) const;

 private:
  struct Run {  // successive positions of one segment
    std::uint32_t segment, first, end;
  };
  std::uint32_t row_at(const Run& run, std::uint32_t position) const;
  std::int64_t time_at(const Run& run, std::uint32_t position) const;
  Child merged(std::uint32_t position) const;
  std::uint32_t position_of(Exclusions::Child child) const;  // kAll where it is not visible
  std::uint32_t before(const Run& run, std::int64_t time_us, bool or_equal) const;

  const Table& child_;
  const Link& link_;
  std::vector<Run> timeless_;
  std::vector<Run> timed_;
  std::uint32_t num_timeless_ = 0;
  std::uint32_t num_timed_ = 0;
  std::uint32_t count_ = 0;
  std::vector<std::uint32_t> excluded_;  // merged positions, ascending
};

}  // namespace weft
