#include "dictionary.hpp"

#include <algorithm>
#include <cstring>

#include "error.hpp"

namespace weft {
std::string_view value_bytes(const Column& column, std::int64_t row, std::uint64_t& word) {
  if (column.type == ColumnType::text) return column.text(row);
  if (column.type == ColumnType::boolean) {
    word = column.boolean(row);
  } else {
    std::memcpy(&word, static_cast<const std::uint64_t*>(column.values) + column.offset + row, sizeof(word));
  }
  return {reinterpret_cast<const char*>(&word), sizeof(word)};
}

Dictionary::Dictionary(bool is_text, const StoredIndex* known, std::uint32_t most)
    : is_text_(is_text),
      known_(known),
      num_known_(known == nullptr ? 0 : static_cast<std::uint32_t>(known->num_rows())),
      most_(most),
      slots_(64, Slot{0, kNone}) {}

std::int32_t Dictionary::code(const Column& column, std::int64_t row) {
  if (column.is_null(row)) return -1;
  std::uint64_t word = 0;
  const std::string_view value = value_bytes(column, row, word);
  if (column.type == ColumnType::number && column.number(row) != column.number(row)) return -1;
  return code_of(value);
}

std::uint32_t Dictionary::known_code(std::string_view value) const {
  if (known_ == nullptr) return kNone;
  if (is_text_) return known_->find_bytes(value);
  std::int64_t word = 0;
  std::memcpy(&word, value.data(), sizeof(word));
  return known_->find_integer(word);
}

std::int32_t Dictionary::code_of(std::string_view value_wanted) {
  const std::uint64_t hash = hash_bytes(value_wanted.data(), value_wanted.size());
  const auto fingerprint = static_cast<std::uint32_t>(hash);
  std::uint64_t place = hash >> 32 & (slots_.size() - 1);
  for (; slots_[place].row != kNone; place = (place + 1) & (slots_.size() - 1)) {
    if (slots_[place].fingerprint == fingerprint && value(slots_[place].row) == value_wanted) {
      return static_cast<std::int32_t>(num_known_ + slots_[place].row);
    }
  }
  const std::uint32_t known = known_code(value_wanted);
  if (known != kNone) return static_cast<std::int32_t>(known);
  if (num_known_ + size() == most_) {
    throw Error(Fault::user, "GRAPH029", "a column has more than " + std::to_string(most_) + " different values.",
                "declare the column as an id, which is not stored with the rows.");
  }
  slots_[place] = {fingerprint, size()};
  arena_.append(value_wanted);
  ends_.push_back(arena_.size());
  if (std::uint64_t{size()} * 2 > slots_.size()) grow();
  return static_cast<std::int32_t>(num_known_ + size() - 1);
}

void Dictionary::grow() {
  slots_.assign(slots_.size() * 2, Slot{0, kNone});
  for (std::uint32_t next = 0; next < size(); ++next) {
    const std::uint64_t hash = hash_bytes(value(next).data(), value(next).size());
    std::uint64_t place = hash >> 32 & (slots_.size() - 1);
    while (slots_[place].row != kNone) place = (place + 1) & (slots_.size() - 1);
    slots_[place] = {static_cast<std::uint32_t>(hash), next};
  }
}

FirstRows::FirstRows(std::uint64_t least, const std::string& before, const std::string& out, std::uint64_t budget)
    : least_(least), budget_(budget), out_(out), slots_(64, kNone) {
  if (!before.empty()) before_ = std::make_unique<ScratchReader>(before, sizeof(std::uint32_t));
}

void FirstRows::add(const Column& column) {
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(column.length), kNone);
  if (before_) before_->read(rows.data(), rows.size());
  for (std::int64_t i = 0; i < column.length; ++i, ++next_row_) {
    if (column.is_null(i)) continue;
    if (column.type == ColumnType::number && column.number(i) != column.number(i)) continue;
    std::uint64_t word = 0;
    const std::string_view value = value_bytes(column, i, word);
    const std::uint64_t hash = hash_bytes(value.data(), value.size());
    if (hash >= least_ && hash <= most_) rows[i] = first_row(value, hash, next_row_);
  }
  out_.append(rows.data(), rows.size() * sizeof(std::uint32_t));
}

std::uint32_t FirstRows::first_row(std::string_view value, std::uint64_t hash, std::uint32_t row) {
  const std::uint64_t mask = slots_.size() - 1;
  std::uint64_t place = hash * 0x9E3779B97F4A7C15u >> 32 & mask;
  for (; slots_[place] != kNone; place = (place + 1) & mask) {
    const Entry& entry = entries_[slots_[place]];
    if (entry.hash == hash && std::string_view(arena_.data() + entry.start, entry.size) == value) return entry.row;
  }
  slots_[place] = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back({hash, arena_.size(), static_cast<std::uint32_t>(value.size()), row});
  arena_.append(value);
  if (entries_.size() * 2 > slots_.size()) rehash(slots_.size() * 2);
  if (arena_.size() + entries_.size() * (sizeof(Entry) + 16) > budget_ && entries_.size() > 1) shrink();
  return row;
}

// Gives up the upper half of the range, which later passes will handle.
void FirstRows::shrink() {
  most_ = least_ + (most_ - least_) / 2;
  std::string kept;
  std::vector<Entry> entries;
  for (Entry entry : entries_) {
    if (entry.hash > most_) continue;
    kept.append(arena_, entry.start, entry.size);
    entry.start = kept.size() - entry.size;
    entries.push_back(entry);
  }
  arena_ = std::move(kept);
  entries_ = std::move(entries);
  rehash(slots_.size());
}

void FirstRows::rehash(std::size_t places) {
  slots_.assign(places, kNone);
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    std::uint64_t place = entries_[i].hash * 0x9E3779B97F4A7C15u >> 32 & (places - 1);
    while (slots_[place] != kNone) place = (place + 1) & (places - 1);
    slots_[place] = i;
  }
}

std::uint64_t FirstRows::finish() {
  out_.finish();
  return most_ == UINT64_MAX ? 0 : most_ + 1;
}

std::uint32_t number_first_rows(const std::string& firsts, std::uint64_t count, const std::string& codes) {
  U32Stream stream(firsts);
  ScratchWriter writer(codes);
  std::vector<std::uint32_t> chunk(U32Stream::kChunk);
  std::uint32_t next = 0;
  for (std::uint64_t done = 0; done < count; done += chunk.size()) {
    const std::size_t size = std::min<std::uint64_t>(chunk.size(), count - done);
    const std::uint32_t* first = stream.next(size);
    for (std::size_t i = 0; i < size; ++i) {
      chunk[i] = next;
      next += first[i] == done + i;
    }
    writer.append(chunk.data(), size * sizeof(std::uint32_t));
  }
  writer.finish();
  return next;
}

}  // namespace weft
