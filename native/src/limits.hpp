// What the memory of this machine can do at best: kernels that do nothing but read, to measure others against.
//
// They are part of the module so that the benchmark reads the very pages that the engine reads, in the same
// process. Nothing else calls them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "graph.hpp"

namespace weft {

// Anonymous memory, every page touched, in huge pages where asked for and where the system has them.
//
// Errors: GRAPH011 (unavailable) when there is no memory.
class ProbeMemory {
 public:
  // Domain: bytes > 0, rounded up to a power of two of at least 4096.
  ProbeMemory(std::size_t bytes, bool has_huge_pages);
  ~ProbeMemory();
  ProbeMemory(const ProbeMemory&) = delete;
  ProbeMemory& operator=(const ProbeMemory&) = delete;

  // Reads `count` words of 8 bytes at random places, none of which depends on another. Returns their sum, so
  // that no read can be left out. O(count); the processor overlaps as many reads as it can.
  std::uint64_t read_words(std::uint64_t count, std::uint64_t key) const noexcept;
  std::size_t size_bytes() const noexcept { return bytes_; }

 private:
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  std::uint64_t* words_ = nullptr;
  std::size_t bytes_ = 0;
};

// Copies rows of a table of one segment one after the other to `out`: every row prefetched some rows ahead,
// whole, with no check, no section and no second thread. Domain: rows are the table's, its one segment has
// rows, `out` holds rows.size() * stride bytes. O(rows).
void copy_rows(const Table& table, std::span<const std::uint32_t> rows, std::byte* out) noexcept;

}  // namespace weft
