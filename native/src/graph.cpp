#include "graph.hpp"

#include <algorithm>

#include "error.hpp"

namespace weft {

Limit TableSegment::limit(std::int64_t anchor_us) const noexcept {
  constexpr std::uint32_t kLast = std::numeric_limits<std::uint32_t>::max();
  if (!time || anchor_us < origin_us) return {0, 0};
  // Anchor and origin may lie further apart than a signed difference holds.
  const std::uint64_t distance = static_cast<std::uint64_t>(anchor_us) - static_cast<std::uint64_t>(origin_us);
  const std::uint64_t steps = distance / static_cast<std::uint64_t>(unit_us);
  if (steps >= kLast) return {kLast, kLast};
  return {static_cast<std::uint32_t>(steps + 1),
          static_cast<std::uint32_t>(distance % static_cast<std::uint64_t>(unit_us))};
}

LinkSegment::Range LinkSegment::range(std::uint32_t parent_row) const {
  const auto* starts = offsets.as<std::uint32_t>();
  std::uint64_t index = parent_row - first_parent;
  if (parents) {
    const auto* rows = parents.as<std::uint32_t>();
    const std::uint64_t count = parents.num_items();
    if (count == 0) return {0, 0};
    parents.need_all();
    index = static_cast<std::uint64_t>(std::lower_bound(rows, rows + count, parent_row) - rows);
    if (index == count || rows[index] != parent_row) return {0, 0};
  }
  // A parent that was appended later has no children in an earlier segment.
  if (index + 1 >= offsets.num_items()) return {0, 0};
  offsets.need(index * 4, 8);
  return {starts[index], starts[index + 1]};
}

void Graph::finish() {
  num_limits = 0;
  for (Table& table : tables) {
    table.first_limit = num_limits;
    num_limits += static_cast<std::uint32_t>(table.segments.size());
  }
}

void Graph::limits(std::int64_t anchor_us, Limit* out) const noexcept {
  for (const Table& table : tables) {
    for (const TableSegment& segment : table.segments) *out++ = segment.limit(anchor_us);
  }
}

void Graph::check_row(std::uint32_t table, std::uint32_t row) const {
  const Table& found = tables[table];
  if (row == kNone) {
    throw Error(Fault::user, "GRAPH040",
                "row " + std::to_string(row) + " of '" + found.name + "' stands for a key that no row has.",
                "leave out keys that are not found.");
  }
  if (row >= found.num_rows) {
    throw Error(Fault::user, "GRAPH040",
                "table '" + found.name + "' has no row " + std::to_string(row) + "; it has " +
                    std::to_string(found.num_rows) + ".",
                "look rows up by their keys in this graph.");
  }
  if (row < found.first_row() || row >= found.end_row()) {
    throw Error(Fault::user, "GRAPH043",
                "row " + std::to_string(row) + " of '" + found.name + "' is on another shard; this one holds " +
                    std::to_string(found.first_row()) + " to " + std::to_string(found.end_row()) + ".",
                "ask the shards together, through one client.");
  }
}

std::int64_t Graph::time_us(std::uint32_t table, std::uint32_t row) const {
  const Table& found = tables[table];
  const TableSegment& segment = found.segments[found.segment_of(row)];
  if (!segment.time) return kNoTime;
  const std::uint32_t local = row - segment.first_row;
  segment.time.need(std::uint64_t{local} * 4, 4);
  return segment.time_us(local, segment.time.as<std::uint32_t>()[local]);
}

std::uint32_t Graph::parent_row(std::uint32_t link, std::uint32_t child_row) const {
  const Table& children = tables[links[link].child];
  const std::size_t s = children.segment_of(child_row);
  const std::uint32_t local = child_row - children.segments[s].first_row;
  const MappedFile& parent = links[link].segments[s].parent;
  parent.need(std::uint64_t{local} * 4, 4);
  return parent.as<std::uint32_t>()[local];
}

std::uint64_t Graph::source_row(std::uint32_t table, std::uint32_t row) const {
  const Table& found = tables[table];
  const TableSegment& segment = found.segments[found.segment_of(row)];
  const std::uint32_t local = row - segment.first_row;
  if (!segment.source) return segment.first_source + local;
  segment.source.need(std::uint64_t{local} * 4, 4);
  return segment.source.as<std::uint32_t>()[local];
}

}  // namespace weft
