#include "pack.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "error.hpp"
#include "tasks.hpp"

namespace weft {
namespace {

constexpr std::int64_t kTile = 2048;
constexpr std::int64_t kNullInteger = std::numeric_limits<std::int64_t>::min();

bool is_number_kept(double value) noexcept {
  return std::isnan(value) || static_cast<double>(static_cast<float>(value)) == value;
}

// Whether an integer survives a trip through a floating-point type of `digits` bits.
bool is_integer_kept(std::int64_t value, int digits) noexcept {
  const std::uint64_t size = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  return size == 0 || static_cast<int>(std::bit_width(size)) - std::countr_zero(size) <= digits;
}

template <class T>
void put(std::byte* out, T value) noexcept {
  std::memcpy(out, &value, sizeof(T));
}

// Packs one value per row as T; `of` gives the value of a row that is not null.
template <class T, class Of>
void fill(const Column& column, std::int64_t first, std::int64_t count, std::byte* out, std::uint32_t stride, T null,
          Of of) {
  if (column.validity == nullptr) {
    for (std::int64_t i = 0; i < count; ++i, out += stride) put<T>(out, of(first + i));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i, out += stride) {
    put<T>(out, column.is_null(first + i) ? null : of(first + i));
  }
}

// The same for numbers that may not fit: says whether all did.
template <class Of, class Fits>
bool fill_checked(const Column& column, std::int64_t first, std::int64_t count, std::byte* out, std::uint32_t stride,
                  bool is_single, Of of, Fits fits) {
  bool all = true;
  const auto checked = [&](std::int64_t i) {
    all = all && fits(i);
    return of(i);
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (is_single) {
    fill<float>(column, first, count, out, stride, static_cast<float>(kNan),
                [&](std::int64_t i) { return static_cast<float>(checked(i)); });
  } else {
    fill<double>(column, first, count, out, stride, kNan, checked);
  }
  return all;
}

void fill_integers(const PackColumn& how, const Column& column, std::int64_t first, std::int64_t count, std::byte* out,
                   std::uint32_t stride) {
  fill<std::int64_t>(column, first, count, out, stride, kNullInteger, [&](std::int64_t i) {
    const std::int64_t value = column.integer(i);
    if (value == kNullInteger && column.type == ColumnType::integer) {
      throw Error(Fault::user, "GRAPH023",
                  "column '" + how.name + "' holds " + std::to_string(value) + ", which stands for a missing value.",
                  "declare the column as an id or as categorical, or replace the value.");
    }
    return value;
  });
}

void fill_vectors(const PackColumn& how, const Column& column, std::int64_t first, std::int64_t count, std::byte* out,
                  std::uint32_t stride) {
  const auto* values = static_cast<const float*>(column.values) + column.inner_offset;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t i = first; i < first + count; ++i, out += stride) {
    if (column.is_null(i)) {
      for (std::uint32_t d = 0; d < how.width; ++d) put<float>(out + d * sizeof(float), kNan);
      continue;
    }
    const std::int32_t start = column.ends[column.offset + i];
    const std::int32_t size = column.ends[column.offset + i + 1] - start;
    if (static_cast<std::uint32_t>(size) != how.width) {
      throw Error(Fault::user, "GRAPH022",
                  "vectors of column '" + how.name + "' have " + std::to_string(how.width) + " and " +
                      std::to_string(size) + " numbers.",
                  "give all vectors of the column one length.");
    }
    std::memcpy(out, values + start, how.width * sizeof(float));
    if (column.inner_validity == nullptr) continue;
    for (std::uint32_t d = 0; d < how.width; ++d) {
      if (!Column::bit(column.inner_validity, column.inner_offset + start + d)) put<float>(out + d * sizeof(float), kNan);
    }
  }
}

}  // namespace

Width width_of(const Column& column) {
  Width width = Width::single;
  for (std::int64_t i = 0; i < column.length && width != Width::integer; ++i) {
    if (column.is_null(i)) continue;
    if (column.type == ColumnType::number) {
      if (!is_number_kept(column.number(i))) return Width::wide;
    } else if (!is_integer_kept(column.integer(i), 24)) {
      width = is_integer_kept(column.integer(i), 53) ? std::max(width, Width::wide) : Width::integer;
    }
  }
  return width;
}

std::int64_t first_vector_length(const Column& column) {
  for (std::int64_t i = 0; i < column.length; ++i) {
    if (!column.is_null(i)) return column.ends[column.offset + i + 1] - column.ends[column.offset + i];
  }
  return -1;
}

RowPacker::RowPacker(std::uint32_t stride, std::vector<PackColumn> columns, RowWriter& writer, unsigned threads)
    : stride_(stride), columns_(std::move(columns)), writer_(writer), threads_(threads), codes_(columns_.size()) {
  for (const PackColumn& how : columns_) {
    readers_.push_back(how.codes.empty() ? nullptr : std::make_unique<ScratchReader>(how.codes, sizeof(std::uint32_t)));
  }
}

// A dictionary is filled by one thread, in order of rows; different dictionaries by different threads.
void RowPacker::fetch_codes(const Batch& batch) {
  std::vector<std::size_t> coded;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].storage == Storage::int32) coded.push_back(i);
  }
  if (coded.empty()) return;
  parallel_for(coded.size(), threads_, 1, [&](unsigned, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t c = first; c < last; ++c) {
      const PackColumn& how = columns_[coded[c]];
      std::vector<std::int32_t>& codes = codes_[coded[c]];
      codes.resize(static_cast<std::size_t>(batch.length));
      if (how.dictionary == nullptr) {
        readers_[coded[c]]->read(codes.data(), codes.size());
        continue;
      }
      const Column& column = batch.columns[how.column];
      for (std::int64_t i = 0; i < batch.length; ++i) codes[i] = how.dictionary->code(column, i);
    }
  });
}

bool RowPacker::pack(const PackColumn& how, const Column& column, std::int64_t first, std::int64_t count,
                     std::byte* out) const {
  out += how.offset;
  const bool is_single = how.storage == Storage::float32;
  switch (how.storage) {
    case Storage::int64:
      fill_integers(how, column, first, count, out, stride_);
      return true;
    case Storage::uint8:
      fill<std::uint8_t>(column, first, count, out, stride_, 255,
                         [&](std::int64_t i) { return static_cast<std::uint8_t>(column.boolean(i)); });
      return true;
    case Storage::int32: {
      const std::int32_t* codes = codes_[&how - columns_.data()].data();
      for (std::int64_t i = first; i < first + count; ++i, out += stride_) put<std::int32_t>(out, codes[i]);
      return true;
    }
    default:
      break;
  }
  if (column.type == ColumnType::vector) {
    fill_vectors(how, column, first, count, out, stride_);
    return true;
  }
  if (column.type == ColumnType::number) {
    const auto of = [&](std::int64_t i) { return column.number(i); };
    return fill_checked(column, first, count, out, stride_, is_single, of,
                        [&](std::int64_t i) { return !is_single || is_number_kept(column.number(i)); });
  }
  const auto of = [&](std::int64_t i) { return static_cast<double>(column.integer(i)); };
  return fill_checked(column, first, count, out, stride_, is_single, of,
                      [&](std::int64_t i) { return is_integer_kept(column.integer(i), is_single ? 24 : 53); });
}

bool RowPacker::pack_tile(const Batch& batch, std::int64_t first, std::int64_t count, std::byte* out) const {
  bool all = true;
  for (const PackColumn& how : columns_) {
    all = pack(how, batch.columns[how.column], first, count, out) && all;
  }
  return all;
}

bool RowPacker::add(const Batch& batch) {
  fetch_codes(batch);
  rows_.assign(static_cast<std::size_t>(batch.length) * stride_, std::byte{0});
  std::atomic<bool> all = true;
  parallel_for(static_cast<std::uint64_t>(batch.length), threads_, 4 * kTile,
               [&](unsigned, std::uint64_t begin, std::uint64_t end) {
                 for (auto first = static_cast<std::int64_t>(begin); first < static_cast<std::int64_t>(end);
                      first += kTile) {
                   const std::int64_t count = std::min(kTile, static_cast<std::int64_t>(end) - first);
                   if (!pack_tile(batch, first, count, rows_.data() + first * stride_)) all = false;
                 }
               });
  if (all) writer_.append(rows_.data(), static_cast<std::size_t>(batch.length));
  return all;
}

}  // namespace weft
