// Rows of columns packed side by side, and put where they belong.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arrow.hpp"
#include "dictionary.hpp"
#include "format.hpp"
#include "scratch.hpp"

namespace weft {

enum class Storage { int64, float64, float32, int32, uint8 };

// How one column of a batch is packed. Codes come from a dictionary, or from a scratch file of u32.
struct PackColumn {
  unsigned column = 0;
  Storage storage = Storage::float32;
  std::uint32_t offset = 0;  // bytes from the start of a row
  std::uint32_t width = 1;
  std::string name;          // for messages
  Dictionary* dictionary = nullptr;
  std::string codes;
};

// How wide numbers must be kept so that nothing is lost: single precision, double, or as integers.
enum class Width { single, wide, integer };
Width width_of(const Column& column);

// Length of the first vector of a column, -1 where all are null.
std::int64_t first_vector_length(const Column& column);

// Puts packed rows into a file in the order of their row numbers.
//
// Rows whose order is the prepared table's are appended. Others go to their places in memory where the budget
// holds all; where it does not, they go to one range of rows each on disk first, and every range is put in order in memory.
class RowWriter {
 public:
  // `inverse` holds the row of each prepared row in order, counted from `first_row`; empty: in order already.
  RowWriter(const std::string& path, std::uint32_t stride, std::uint64_t count, const std::string& inverse,
            std::uint32_t first_row, const std::string& scratch, std::uint64_t budget);
  ~RowWriter();
  void append(const std::byte* rows, std::size_t count);
  std::uint32_t finish();

 private:
  void put(std::uint64_t row, const std::byte* data);
  void flush(std::size_t range);
  std::uint32_t rows_in(std::size_t range) const;

  FileWriter writer_;
  std::uint32_t stride_;
  std::uint64_t count_;
  std::uint32_t first_row_;
  std::unique_ptr<ScratchReader> inverse_;
  std::vector<std::uint32_t> places_;
  std::uint64_t per_range_ = 0;
  std::vector<std::byte> held_;                 // one range in order
  std::vector<std::vector<std::byte>> buffers_; // rows on their way to each range
  std::vector<std::uint64_t> sent_;             // bytes of each range on disk
  std::size_t buffer_bytes_ = 0;
  std::string scratch_;
  int descriptor_ = -1;
};

// Packs batches and hands the rows to a writer.
//
// Errors: GRAPH022 (user) for vectors of differing lengths, GRAPH023 (user) for the integer that stands for null.
class RowPacker {
 public:
  RowPacker(std::uint32_t stride, std::vector<PackColumn> columns, RowWriter& writer, unsigned threads);
  RowPacker(const RowPacker&) = delete;
  RowPacker& operator=(const RowPacker&) = delete;
  // Returns false, and has written part of the batch, when a number needs a wider storage than it was given.
  bool add(const Batch& batch);

 private:
  bool pack(const PackColumn& how, const Column& column, std::int64_t first, std::int64_t count, std::byte* out) const;
  bool pack_tile(const Batch& batch, std::int64_t first, std::int64_t count, std::byte* out) const;
  void fetch_codes(const Batch& batch);

  std::uint32_t stride_;
  std::vector<PackColumn> columns_;
  RowWriter& writer_;
  unsigned threads_;
  std::vector<std::unique_ptr<ScratchReader>> readers_;
  std::vector<std::vector<std::int32_t>> codes_;  // of the batch, per column
  std::vector<std::byte> rows_;
};

}  // namespace weft
