#include "keys.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace weft {
namespace {

bool fits_integer(const Column& column) {
  return column.type == ColumnType::integer || column.type == ColumnType::timestamp ||
         column.type == ColumnType::boolean;
}

void append_raw(std::string& buffer, const void* data, std::size_t size) {
  buffer.append(static_cast<const char*>(data), size);
}

void append_value(std::string& buffer, const Column& column, std::int64_t i) {
  if (column.type == ColumnType::text) {
    const std::string_view text = column.text(i);
    const auto size = static_cast<std::uint32_t>(text.size());
    append_raw(buffer, &size, sizeof(size));
    buffer.append(text);
  } else if (column.type == ColumnType::boolean) {
    buffer.push_back(static_cast<char>(column.boolean(i)));
  } else if (column.type == ColumnType::number) {
    const double number = column.number(i) + 0.0;  // negative zero becomes zero
    append_raw(buffer, &number, sizeof(number));
  } else {
    const std::int64_t integer = column.integer(i);
    append_raw(buffer, &integer, sizeof(integer));
  }
}

}  // namespace

KeyReader::KeyReader(const Batch& batch, const std::vector<unsigned>& columns) : length_(batch.length) {
  for (const unsigned column : columns) {
    columns_.push_back(&batch.columns[column]);
    if (columns_.back()->type == ColumnType::vector) {
      throw Error(Fault::user, "GRAPH027", "a key or foreign key is a vector.",
                  "choose another column as the key, or remove the link.");
    }
  }
  is_integer_ = columns_.size() == 1 && fits_integer(*columns_[0]);
}

bool KeyReader::is_null(std::int64_t i) const noexcept {
  for (const Column* column : columns_) {
    if (column->is_null(i)) return true;
  }
  return false;
}

std::string_view KeyReader::bytes(std::int64_t i, std::string& buffer) const {
  if (columns_.size() == 1 && columns_[0]->type == ColumnType::text) return columns_[0]->text(i);
  buffer.clear();
  for (const Column* column : columns_) append_value(buffer, *column, i);
  return buffer;
}

KeySpill::KeySpill(const std::string& stem, bool is_integer, std::uint32_t first_row)
    : keys_(stem + ".keys"),
      lengths_(stem + ".lengths"),
      bytes_(stem + ".bytes"),
      rows_(stem + ".rows"),
      next_row_(first_row) {
  shape_.is_integer = is_integer;
}

void KeySpill::put(std::int64_t key) {
  keys_.append(&key, sizeof(key));
  shape_.least = std::min(shape_.least, key);
  shape_.most = std::max(shape_.most, key);
  ++shape_.num_keys;
}

void KeySpill::put(std::string_view key) {
  const auto size = static_cast<std::uint32_t>(key.size());
  lengths_.append(&size, sizeof(size));
  bytes_.append(key.data(), key.size());
  shape_.num_bytes += key.size();
  shape_.all_uuid = shape_.all_uuid && parse_uuid(key).has_value();
  ++shape_.num_keys;
}

void KeySpill::add(const KeyReader& keys) {
  for (std::int64_t i = 0; i < keys.length(); ++i, ++next_row_) {
    if (keys.is_null(i)) {
      ++shape_.num_null;
      continue;
    }
    rows_.append(&next_row_, sizeof(next_row_));
    if (keys.is_integer()) {
      put(keys.integer(i));
    } else {
      put(keys.bytes(i, buffer_));
    }
  }
}

KeyShape KeySpill::finish() {
  for (ScratchWriter* writer : {&keys_, &lengths_, &bytes_, &rows_}) writer->finish();
  if (shape_.num_keys == 0 || shape_.is_integer) shape_.all_uuid = false;
  return shape_;
}

}  // namespace weft
