// Keys in the files of a graph, mapped: rows of keys, and keys of rows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "buffer.hpp"
#include "keys.hpp"

namespace weft {

// The files of one segment: the keys of `num_rows` successive rows, which its files count from 0.
struct KeyFiles {
  StoredKeys kind = StoredKeys::direct;
  std::uint64_t num_rows = 0;
  std::int64_t first = 0;
  std::unique_ptr<MappedFile> direct, slots, values, offsets, bytes;
};

// Texts one after another; text i is bytes [ends[i], ends[i + 1]).
struct KeyTexts {
  std::vector<std::int64_t> ends;
  std::vector<char> bytes;
};

// The keys of one segment.
class KeySegment {
 public:
  // `first_row` is added to the rows that its files name.
  KeySegment(KeyFiles files, std::uint64_t first_row);
  bool is_integer() const noexcept {
    return files_.kind == StoredKeys::direct || files_.kind == StoredKeys::integer;
  }
  std::uint64_t num_rows() const noexcept { return files_.num_rows; }
  [[noreturn]] void refuse_kind() const;
  // Fills the rows that are kNone, where this segment has the key.
  void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const;
  std::uint32_t find_integer(std::int64_t key) const;
  std::uint32_t find_bytes(std::string_view key) const;
  // Of row `first_row + row`; row < num_rows().
  std::int64_t integer(std::uint32_t row) const;
  void append_text(std::uint32_t row, std::vector<char>& out) const;

 private:
  std::uint64_t hash_of(const KeyReader& keys, std::int64_t i, std::string& buffer, std::string_view& key) const;
  std::uint32_t find_direct(std::int64_t key) const;
  std::uint32_t find_hashed(std::uint64_t hash, std::int64_t integer, std::string_view key) const;
  void find_tile(const KeyReader& keys, const std::int64_t* wanted, std::int64_t count, std::int64_t first,
                 std::uint32_t* rows) const;
  void prefetch_key(std::uint64_t hash) const noexcept;
  bool is_key(std::uint32_t row, std::int64_t integer, std::string_view key) const;
  std::string_view bytes_of(std::uint32_t row) const;
  const Uuid& uuid_of(std::uint32_t row) const;
  void check_row(std::uint32_t row) const;
  const MappedFile& first_file() const noexcept;
  std::uint32_t placed(std::uint32_t row) const noexcept {
    return row == kNone ? kNone : static_cast<std::uint32_t>(first_row_ + row);
  }

  KeyFiles files_;
  std::uint64_t first_row_;
};

// Nothing is read when it is opened: a block is checked when a key that lies in it is first looked for.
// Threads may use it at once.
//
// Errors: GRAPH004 (user) for a damaged block, GRAPH006 (user) for files that do not belong together.
class StoredIndex final : public KeyIndex {
 public:
  // At least one segment; their rows follow each other, and no key is in two of them.
  explicit StoredIndex(std::vector<KeyFiles> segments);
  StoredIndex(const StoredIndex&) = delete;
  StoredIndex& operator=(const StoredIndex&) = delete;
  bool is_integer() const noexcept override { return segments_.front().is_integer(); }
  // O(1) per key and segment: as a rule one line of slots and one or two of keys, fetched for 64 keys at a
  // time. What a segment has is not looked for in those after it.
  void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const override;
  std::uint32_t find_integer(std::int64_t key) const;
  std::uint32_t find_bytes(std::string_view key) const;

  // Rows that have keys; they are all below this number.
  std::uint64_t num_rows() const noexcept { return starts_.back(); }
  // The integers of rows, 0 for kNone; every other row must be below num_rows().
  Buffer<std::int64_t> integers(const std::uint32_t* rows, std::size_t count) const;
  // The bytes of rows, the text of a UUID; empty for kNone.
  KeyTexts texts(const std::uint32_t* rows, std::size_t count) const;

 private:
  std::size_t segment_of(std::uint32_t row) const noexcept;

  std::vector<KeySegment> segments_;
  std::vector<std::uint64_t> starts_;  // the first row of each segment, and the end
};

std::unique_ptr<StoredIndex> map_index(std::vector<KeyFiles> segments);

// Refuses keys that some row has already; `what` is the table, for messages.
//
// Errors: GRAPH021 (user) for the first such key.
void refuse_known_keys(const StoredIndex& known, const KeyReader& keys, const std::string& what);

}  // namespace weft
