#include <algorithm>
#include <cstring>

#include "tasks.hpp"
#include "sampler.hpp"

namespace weft {
namespace {

constexpr std::size_t kAhead = 24;          // rows in flight
constexpr std::size_t kRowsPerTask = 4096;  // the unit that threads share
constexpr std::size_t kLine = 64;
constexpr std::size_t kMostSections = 8;    // one per storage, of which there are five

const std::byte* find_row(const Table& table, std::uint32_t row, const TableSegment*& segment) {
  segment = &table.segments[table.segment_of(row)];
  return segment->rows.data() + std::uint64_t{row - segment->first_row} * table.stride;
}

void prefetch_row(const Table& table, std::uint32_t row) {
  const TableSegment* segment;
  const std::byte* bytes = find_row(table, row, segment);
  for (std::size_t at = 0; at < table.stride; at += kLine) __builtin_prefetch(bytes + at);
}

// Copies of a size known to the compiler are a few instructions.
inline void copy(std::byte* to, const std::byte* from, std::size_t size) {
  switch (size) {
    case 1: std::memcpy(to, from, 1); return;
    case 4: std::memcpy(to, from, 4); return;
    case 8: std::memcpy(to, from, 8); return;
    case 12: std::memcpy(to, from, 12); return;
    case 16: std::memcpy(to, from, 16); return;
    case 32: std::memcpy(to, from, 32); return;
    case 64: std::memcpy(to, from, 64); return;
    case 128: std::memcpy(to, from, 128); return;
    case 256: std::memcpy(to, from, 256); return;
    default: std::memcpy(to, from, size);
  }
}

// A section of rows, and where its values go.
struct Target {
  std::uint32_t offset;
  std::uint32_t bytes;
  std::byte* to;
};

// Rows of a table of one segment. All that does not change from row to row is held in values of this function: what
// is written are bytes, which may be anything for all the compiler knows, so that members would be read again for
// every row, and fewer rows would be in flight.
void gather_whole(const Table& table, const std::uint32_t* rows, std::size_t count, const Target* targets,
                  std::size_t num_targets) {
  const MappedFile& file = table.segments[0].rows;
  const std::byte* const base = file.data();
  const std::size_t stride = table.stride;
  const std::size_t first_row = table.segments[0].first_row;  // of a shard, not 0
  Target local[kMostSections];
  std::copy_n(targets, num_targets, local);
  const auto prefetch = [=](std::uint32_t row) {
    for (std::size_t at = 0; at < stride; at += kLine) __builtin_prefetch(base + (row - first_row) * stride + at);
  };
  for (std::size_t i = 0; i < std::min(count, kAhead); ++i) prefetch(rows[i]);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch(rows[i + kAhead]);
    const std::size_t from = (rows[i] - first_row) * stride;
    file.need(from, stride);
    for (std::size_t t = 0; t < num_targets; ++t) {
      copy(local[t].to + i * local[t].bytes, base + from + local[t].offset, local[t].bytes);
    }
  }
}

}  // namespace

std::vector<Buffer<std::byte>> make_sections(const Table& table, std::size_t num_rows) {
  std::vector<Buffer<std::byte>> out;
  for (const Section& section : table.sections) out.emplace_back(num_rows * section.bytes);
  return out;
}

void gather_into(const Table& table, const std::uint32_t* rows, std::size_t count, std::size_t first,
                 std::vector<Buffer<std::byte>>& out) {
  if (out.empty()) return;
  if (table.segments.size() == 1 && out.size() <= kMostSections) {
    Target targets[kMostSections];
    for (std::size_t s = 0; s < out.size(); ++s) {
      const Section& section = table.sections[s];
      targets[s] = {section.offset, section.bytes, out[s].data() + first * section.bytes};
    }
    gather_whole(table, rows, count, targets, out.size());
    return;
  }
  for (std::size_t i = 0; i < std::min(count, kAhead); ++i) prefetch_row(table, rows[i]);
  for (std::size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) prefetch_row(table, rows[i + kAhead]);
    const TableSegment* segment;
    const std::byte* bytes = find_row(table, rows[i], segment);
    segment->rows.need(static_cast<std::uint64_t>(bytes - segment->rows.data()), table.stride);
    for (std::size_t s = 0; s < out.size(); ++s) {
      const Section& section = table.sections[s];
      copy(out[s].data() + (first + i) * section.bytes, bytes + section.offset, section.bytes);
    }
  }
}

std::vector<Buffer<std::byte>> gather(const Table& table, std::span<const std::uint32_t> rows, std::size_t threads) {
  std::vector<Buffer<std::byte>> out = make_sections(table, rows.size());
  for_each_task((rows.size() + kRowsPerTask - 1) / kRowsPerTask, threads, [&](std::size_t task) {
    const std::size_t first = task * kRowsPerTask;
    gather_into(table, rows.data() + first, std::min(rows.size() - first, kRowsPerTask), first, out);
  });
  return out;
}

}  // namespace weft
