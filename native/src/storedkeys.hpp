// Keys in the files of a graph, mapped: rows of keys, and keys of rows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "buffer.hpp"
#include "keys.hpp"

namespace weft {

struct KeyFiles {
  StoredKeys kind = StoredKeys::direct;
  std::int64_t first = 0;
  std::unique_ptr<MappedFile> direct, slots, values, offsets, bytes;
};

// Texts one after another; text i is bytes [ends[i], ends[i + 1]).
struct KeyTexts {
  std::vector<std::int64_t> ends;
  std::vector<char> bytes;
};

// Nothing is read when it is opened: a block is checked when a key that lies in it is first looked for.
// Threads may use it at once.
//
// Errors: GRAPH004 (user) for a damaged block, GRAPH006 (user) for files that do not belong together.
class StoredIndex final : public KeyIndex {
 public:
  explicit StoredIndex(KeyFiles files);
  bool is_integer() const noexcept override {
    return files_.kind == StoredKeys::direct || files_.kind == StoredKeys::integer;
  }
  // O(1) per key: as a rule one line of slots and one or two of keys, fetched for 64 keys at a time.
  void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const override;

  // Rows that have keys; they are all below this number.
  std::uint64_t num_rows() const noexcept { return num_rows_; }
  // The integers of rows, 0 for kNone; every other row must be below num_rows().
  Buffer<std::int64_t> integers(const std::uint32_t* rows, std::size_t count) const;
  // The bytes of rows, the text of a UUID; empty for kNone.
  KeyTexts texts(const std::uint32_t* rows, std::size_t count) const;

 private:
  std::uint64_t hash_of(const KeyReader& keys, std::int64_t i, std::string& buffer, std::string_view& key) const;
  void find_direct(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const;
  std::uint32_t find_hashed(std::uint64_t hash, std::int64_t integer, std::string_view key) const;
  std::uint32_t prefetch_slot(std::uint64_t hash) const noexcept;
  bool is_key(std::uint32_t row, std::int64_t integer, std::string_view key) const;
  std::string_view bytes_of(std::uint32_t row) const;
  const Uuid& uuid_of(std::uint32_t row) const;
  void check_row(std::uint32_t row) const;

  KeyFiles files_;
  std::uint64_t num_rows_ = 0;
};

std::unique_ptr<StoredIndex> map_index(KeyFiles files);

}  // namespace weft
