// Columns of Arrow record batches, read in place through the Arrow C data interface.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"

// The two structures are the interface's own, of which every library has a copy.
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
extern "C" {
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};
struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};
}
#endif

namespace weft {

enum class ColumnType { integer, number, boolean, text, timestamp, vector };

// One column of a batch: views into memory that the batch keeps alive.
struct Column {
  ColumnType type = ColumnType::integer;
  std::int64_t length = 0;
  std::int64_t offset = 0;
  const std::uint8_t* validity = nullptr;  // nullptr: no value is null
  const void* values = nullptr;
  const std::int32_t* ends = nullptr;      // of texts and vectors
  const std::uint8_t* inner_validity = nullptr;
  std::int64_t inner_offset = 0;

  static bool bit(const std::uint8_t* bits, std::int64_t at) noexcept { return bits[at >> 3] >> (at & 7) & 1; }
  bool is_null(std::int64_t i) const noexcept { return validity != nullptr && !bit(validity, offset + i); }
  std::int64_t integer(std::int64_t i) const noexcept {
    return type == ColumnType::boolean ? boolean(i) : static_cast<const std::int64_t*>(values)[offset + i];
  }
  double number(std::int64_t i) const noexcept { return static_cast<const double*>(values)[offset + i]; }
  bool boolean(std::int64_t i) const noexcept { return bit(static_cast<const std::uint8_t*>(values), offset + i); }
  std::string_view text(std::int64_t i) const noexcept {
    const std::int32_t first = ends[offset + i];
    return {static_cast<const char*>(values) + first, static_cast<std::size_t>(ends[offset + i + 1] - first)};
  }
};

struct Batch {
  std::int64_t length = 0;
  std::vector<Column> columns;
};

// Views a record batch. Nothing is copied and ownership stays where it is.
//
// Errors: GRAPH025 (invariant) for a column of a type that prepared tables do not have.
Batch view_batch(const ArrowSchema& schema, const ArrowArray& array);

}  // namespace weft
