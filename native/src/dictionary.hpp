// Distinct values of a column in order of first appearance, and the code of each value.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arrow.hpp"
#include "keyformat.hpp"
#include "scratch.hpp"
#include "storedkeys.hpp"

namespace weft {

// Codes of texts, or of 8-byte values by their bits. Exact: what a hash finds is compared with the value.
// Values that an earlier build stored keep their codes and are looked up where they lie; this holds those that
// are new, whose codes follow.
//
// Cost: a hash and a probe per value, and one per stored segment for a value that is not new.
class Dictionary {
 public:
  // `known` may be null, and must outlive this.
  //
  // Errors: GRAPH029 (user) when there are more than `most` values.
  explicit Dictionary(bool is_text, const StoredIndex* known = nullptr, std::uint32_t most = 0x7FFFFFFF);
  // New values.
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(ends_.size() - 1); }
  std::uint64_t bytes() const noexcept {
    return arena_.capacity() + ends_.capacity() * sizeof(std::uint64_t) + slots_.capacity() * sizeof(Slot);
  }
  bool is_text() const noexcept { return is_text_; }
  std::int32_t code(const Column& column, std::int64_t row);
  // Of the new values.
  const std::vector<std::uint64_t>& ends() const noexcept { return ends_; }
  const std::string& arena() const noexcept { return arena_; }

 private:
  std::int32_t code_of(std::string_view value);
  std::uint32_t known_code(std::string_view value) const;
  std::string_view value(std::uint32_t place) const noexcept {
    return {arena_.data() + ends_[place], ends_[place + 1] - ends_[place]};
  }
  void grow();
  bool is_text_;
  const StoredIndex* known_;
  std::uint32_t num_known_;
  std::uint32_t most_;
  std::string arena_;
  std::vector<std::uint64_t> ends_ = {0};
  std::vector<Slot> slots_;
};

// Views the value of a row as bytes: a text, or 8 bytes copied into `word`.
std::string_view value_bytes(const Column& column, std::int64_t row, std::uint64_t& word);

// Finds for each row of a column the first row with the same value, in memory that is bounded whatever the
// number of values: a pass handles the values whose hashes lie in a range, which is halved when memory is
// short. What the last pass left in its file is complete.
class FirstRows {
 public:
  // Begins a pass at hash `least`; `before` is the file of the pass before, or empty.
  FirstRows(std::uint64_t least, const std::string& before, const std::string& out, std::uint64_t budget);
  void add(const Column& column);
  // Returns where the next pass begins, 0 when there is none.
  std::uint64_t finish();

 private:
  struct Entry {
    std::uint64_t hash;
    std::uint64_t start;
    std::uint32_t size;
    std::uint32_t row;
  };
  std::uint32_t first_row(std::string_view value, std::uint64_t hash, std::uint32_t row);
  void shrink();
  void rehash(std::size_t places);
  std::uint64_t least_;
  std::uint64_t most_ = UINT64_MAX;
  std::uint64_t budget_;
  std::unique_ptr<ScratchReader> before_;
  ScratchWriter out_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;
  std::string arena_;
  std::uint32_t next_row_ = 0;
};

// Numbers the rows that are the first of their value, in order: `codes` (u32) holds the number of such a row, and
// anything for others. Returns how many there are.
std::uint32_t number_first_rows(const std::string& firsts, std::uint64_t count, const std::string& codes);

}  // namespace weft
