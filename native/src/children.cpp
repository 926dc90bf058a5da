#include "children.hpp"

#include <algorithm>

namespace weft {

std::uint32_t child_code(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position) {
  if (!rows.time) return 0;
  if (!edges.children) {
    rows.time.need(std::uint64_t{position} * 4, 4);
    return rows.time.as<std::uint32_t>()[position];
  }
  edges.children.need(std::uint64_t{position} * 8, 8);
  return edges.children.as<std::uint32_t>()[std::uint64_t{position} * 2 + 1];
}

std::uint32_t child_row(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position) {
  if (!edges.children) return rows.first_row + position;
  const std::uint64_t width = edges.is_timed ? 8 : 4;
  edges.children.need(position * width, width);
  return edges.children.as<std::uint32_t>()[position * (width / 4)];
}

namespace {

// What the code at a position rounds off.
std::uint32_t child_low(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position) {
  if (edges.low) {
    edges.low.need(std::uint64_t{position} * 4, 4);
    return edges.low.as<std::uint32_t>()[position];
  }
  if (!rows.low) return 0;
  const std::uint32_t local = child_row(rows, edges, position) - rows.first_row;
  rows.low.need(std::uint64_t{local} * 4, 4);
  return rows.low.as<std::uint32_t>()[local];
}

}  // namespace

std::int64_t child_time_us(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position) {
  const std::uint32_t code = child_code(rows, edges, position);
  if (code == 0) return kNoTime;
  return rows.origin_us + rows.unit_us * (static_cast<std::int64_t>(code) - 1) + child_low(rows, edges, position);
}

bool is_child_visible(const TableSegment& rows, const LinkSegment& edges, std::uint32_t position, Limit limit) {
  const std::uint32_t code = child_code(rows, edges, position);
  if (code != limit.code || code == 0) return code <= limit.code;
  return child_low(rows, edges, position) <= limit.low;
}

namespace {

// The first position in [first, end) whose row is later than the limit.
std::uint32_t first_later(const TableSegment& rows, const LinkSegment& edges, std::uint32_t first, std::uint32_t end,
                          Limit limit) {
  while (first < end) {
    const std::uint32_t middle = first + (end - first) / 2;
    if (is_child_visible(rows, edges, middle, limit)) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first;
}

}  // namespace

std::uint32_t num_visible_children(const Graph& graph, std::uint32_t link, std::uint32_t parent_row,
                                   const Limit* limits) {
  const Link& found = graph.links[link];
  const Table& child = graph.tables[found.child];
  std::uint32_t count = 0;
  for (std::size_t s = 0; s < found.segments.size(); ++s) {
    const LinkSegment& edges = found.segments[s];
    const auto [first, end] = edges.range(parent_row);
    if (first == end) continue;
    const Limit limit = limits[child.first_limit + s];
    count += child.segments[s].time ? first_later(child.segments[s], edges, first, end, limit) - first : end - first;
  }
  return count;
}

VisibleChildren::VisibleChildren(const Graph& graph, std::uint32_t link, std::uint32_t parent_row,
                                 const Scopes& scopes, std::uint32_t scope, std::int64_t after_us)
    : child_(graph.tables[graph.links[link].child]), link_(graph.links[link]) {
  for (std::uint32_t s = 0; s < link_.segments.size(); ++s) {
    const LinkSegment& edges = link_.segments[s];
    const TableSegment& rows = child_.segments[s];
    const auto [first, end] = edges.range(parent_row);
    if (first == end) continue;
    const Limit limit = scopes.limit(scope, child_.first_limit + s);
    const std::uint32_t visible = rows.time ? first_later(rows, edges, first, end, limit) : end;
    const std::uint32_t timed = rows.time ? first_later(rows, edges, first, visible, Limit{0, 0}) : end;
    std::uint32_t from = timed;
    if (after_us != kNoTime) from = first_later(rows, edges, timed, visible, rows.limit(after_us));
    if (timed > first) timeless_.push_back({s, first, timed});
    if (visible > from) timed_.push_back({s, from, visible});
    num_timeless_ += timed - first;
    num_timed_ += visible - from;
  }
  count_ = num_timeless_ + num_timed_;
}

void VisibleChildren::exclude(const std::vector<Exclusions::Child>& children) {
  excluded_.clear();
  for (const Exclusions::Child& child : children) {
    const std::uint32_t position = position_of(child);
    if (position != kAll) excluded_.push_back(position);
  }
  std::sort(excluded_.begin(), excluded_.end());
  excluded_.erase(std::unique(excluded_.begin(), excluded_.end()), excluded_.end());
  count_ = num_timeless_ + num_timed_ - static_cast<std::uint32_t>(excluded_.size());
}

std::uint32_t VisibleChildren::position_of(Exclusions::Child child) const {
  std::uint32_t passed = 0;
  for (const Run& run : timeless_) {
    for (std::uint32_t position = run.first; position < run.end && child.time_us == kNoTime; ++position) {
      if (row_at(run, position) == child.row) return passed + position - run.first;
    }
    passed += run.end - run.first;
  }
  if (child.time_us == kNoTime) return kAll;
  for (std::size_t i = 0; i < timed_.size(); ++i) {
    const Run& run = timed_[i];
    const std::uint32_t last = before(run, child.time_us, true);
    for (std::uint32_t position = before(run, child.time_us, false); position < last; ++position) {
      if (row_at(run, position) != child.row) continue;
      std::uint32_t merged_position = passed + position - run.first;
      for (std::size_t j = 0; j < timed_.size(); ++j) {
        if (j != i) merged_position += before(timed_[j], child.time_us, j < i) - timed_[j].first;
      }
      return merged_position;
    }
  }
  return kAll;
}

VisibleChildren::Child VisibleChildren::at(std::uint32_t position) const {
  for (const std::uint32_t out : excluded_) {
    if (position < out) break;
    ++position;
  }
  return merged(position);
}

std::uint32_t VisibleChildren::row_at(const Run& run, std::uint32_t position) const {
  return child_row(child_.segments[run.segment], link_.segments[run.segment], position);
}

std::int64_t VisibleChildren::time_at(const Run& run, std::uint32_t position) const {
  return child_time_us(child_.segments[run.segment], link_.segments[run.segment], position);
}

std::uint32_t VisibleChildren::before(const Run& run, std::int64_t time_us, bool or_equal) const {
  std::uint32_t first = run.first;
  std::uint32_t end = run.end;
  while (first < end) {
    const std::uint32_t middle = first + (end - first) / 2;
    const std::int64_t time = time_at(run, middle);
    if (time < time_us || (or_equal && time == time_us)) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first;
}

VisibleChildren::Child VisibleChildren::merged(std::uint32_t position) const {
  if (position < num_timeless_) {
    for (const Run& run : timeless_) {
      const std::uint32_t size = run.end - run.first;
      if (position < size) {
        return {row_at(run, run.first + position), kNoTime};
      }
      position -= size;
    }
  }
  position -= num_timeless_;
  // Narrow every run around a pivot, the middle of the longest, until the position is a pivot itself.
  std::vector<Run> runs = timed_;
  std::vector<std::uint32_t> split(runs.size());
  while (true) {
    std::size_t longest = 0;
    for (std::size_t i = 1; i < runs.size(); ++i) {
      if (runs[i].end - runs[i].first > runs[longest].end - runs[longest].first) longest = i;
    }
    const std::uint32_t middle = runs[longest].first + (runs[longest].end - runs[longest].first) / 2;
    const std::int64_t time = time_at(runs[longest], middle);
    std::uint32_t smaller = middle - runs[longest].first;
    split[longest] = middle;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (i == longest) continue;
      split[i] = before(runs[i], time, i < longest);
      smaller += split[i] - runs[i].first;
    }
    if (position == smaller) {
      return {row_at(runs[longest], middle), time};
    }
    const bool is_before = position < smaller;
    if (!is_before) position -= smaller + 1;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (is_before) {
        runs[i].end = split[i];
      } else {
        runs[i].first = split[i] + (i == longest ? 1 : 0);
      }
    }
  }
}

}  // namespace weft
