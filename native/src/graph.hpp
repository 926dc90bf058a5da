// A materialised graph, opened: tables with times and rows, links in both directions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "format.hpp"

namespace weft {

constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();

// The age of what was there at `time_us`, which is not after the anchor; spans beyond the type are its longest.
constexpr std::int64_t age_at(std::int64_t anchor_us, std::int64_t time_us) noexcept {
  constexpr auto kLongest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::uint64_t age = static_cast<std::uint64_t>(anchor_us) - static_cast<std::uint64_t>(time_us);
  return static_cast<std::int64_t>(age < kLongest ? age : kLongest);
}

// The latest time that is visible from an anchor, in the codes of one segment.
struct Limit {
  std::uint32_t code;
  std::uint32_t low;
};

// Successive rows of a table that were written at once, with their own time codes.
struct TableSegment {
  std::uint32_t first_row = 0;
  std::uint32_t num_rows = 0;
  std::uint64_t first_source = 0;
  std::int64_t origin_us = 0;
  std::int64_t unit_us = 1;
  MappedFile rows;
  MappedFile time;    // absent: every row is visible always
  MappedFile low;     // absent: codes are exact
  MappedFile source;  // absent: row i is prepared row first_source + i

  // Rounds an anchor down to codes; rows with a greater code, or an equal code and greater low, are later.
  Limit limit(std::int64_t anchor_us) const noexcept;
  // Decodes the time of a row of this segment, given its code; kNoTime for code 0.
  std::int64_t time_us(std::uint32_t local, std::uint32_t code) const {
    if (code == 0) return kNoTime;
    std::int64_t value = origin_us + unit_us * (static_cast<std::int64_t>(code) - 1);
    if (low) {
      low.need(std::uint64_t{local} * 4, 4);
      value += low.as<std::uint32_t>()[local];
    }
    return value;
  }
};

struct Section {
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;  // of all its values in one row
};

struct Table {
  std::string name;
  std::uint32_t num_rows = 0;
  std::uint32_t stride = 0;
  std::vector<Section> sections;
  std::vector<std::byte> null_row;  // `stride` bytes: every value null
  std::vector<TableSegment> segments;
  std::uint32_t first_limit = 0;  // index of its first segment among the limits of a scope

  // The rows that are here: all of them, unless the graph is a shard.
  std::uint32_t first_row() const noexcept { return segments.empty() ? 0 : segments.front().first_row; }
  std::uint32_t end_row() const noexcept {
    return segments.empty() ? 0 : segments.back().first_row + segments.back().num_rows;
  }

  // Returns the segment that holds a row.
  std::size_t segment_of(std::uint32_t row) const noexcept {
    std::size_t index = segments.size() - 1;
    while (index > 0 && row < segments[index].first_row) --index;
    return index;
  }
};

// The edges of the child rows of one table segment.
struct LinkSegment {
  MappedFile parent;
  MappedFile offsets;
  MappedFile children;  // absent: the children of a parent are contiguous rows
  MappedFile parents;   // present in appended segments: which parents the offsets are of
  MappedFile low;       // present in shards: what the codes of children.bin round off
  bool is_timed = true; // children.bin carries time codes
  std::uint32_t first_parent = 0;  // whom the first offset is of

  // Positions [first, second) of a parent's children in this segment.
  struct Range {
    std::uint32_t first, second;
  };
  Range range(std::uint32_t parent_row) const;
  void prefetch(std::uint32_t parent_row) const noexcept {
    const std::uint32_t index = parent_row - first_parent;
    if (!parents && std::uint64_t{index} + 1 < offsets.num_items()) {
      __builtin_prefetch(offsets.as<std::uint32_t>() + index);
    }
  }
};

struct Link {
  std::string name;
  std::uint32_t child = 0;
  std::uint32_t parent = 0;
  std::vector<LinkSegment> segments;
};

// The whole graph. Built up once, then only read, by any number of threads.
struct Graph {
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  std::vector<Table> tables;
  std::vector<Link> links;
  std::uint32_t num_limits = 0;  // segments of all tables

  // Numbers the limits; called when every table is there.
  void finish();
  // Writes the limits of one anchor for every segment of every table.
  void limits(std::int64_t anchor_us, Limit* out) const noexcept;
  // Throws GRAPH040 when a row is not one of the table's.
  void check_row(std::uint32_t table, std::uint32_t row) const;
  // Exact time of a row, kNoTime where it has none.
  std::int64_t time_us(std::uint32_t table, std::uint32_t row) const;
  // Parent of a row over a link, kNone where it has none.
  std::uint32_t parent_row(std::uint32_t link, std::uint32_t child_row) const;
  // Number of a row in the prepared table.
  std::uint64_t source_row(std::uint32_t table, std::uint32_t row) const;
};

// Says whether a row with this code is visible under a limit.
inline bool is_visible(const TableSegment& segment, std::uint32_t local, std::uint32_t code, Limit limit) {
  if (code != limit.code) return code < limit.code;
  if (!segment.low || code == 0) return true;
  segment.low.need(std::uint64_t{local} * 4, 4);
  return segment.low.as<std::uint32_t>()[local] <= limit.low;
}

}  // namespace weft
