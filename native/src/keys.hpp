// Keys of tables while a graph is built: read from batches, kept on disk, found again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arrow.hpp"
#include "format.hpp"
#include "keyformat.hpp"
#include "scratch.hpp"

namespace weft {

// The key of each row of a batch: an integer, or bytes; see `Keys` in layout.py for which.
class KeyReader {
 public:
  // `columns` are positions in the batch, in order of the parent's key.
  KeyReader(const Batch& batch, const std::vector<unsigned>& columns);
  std::int64_t length() const noexcept { return length_; }
  bool is_integer() const noexcept { return is_integer_; }
  bool is_null(std::int64_t i) const noexcept;
  std::int64_t integer(std::int64_t i) const noexcept { return columns_[0]->integer(i); }
  // Views the column's memory where the key is one text, and `buffer` otherwise.
  std::string_view bytes(std::int64_t i, std::string& buffer) const;

 private:
  std::vector<const Column*> columns_;
  std::int64_t length_;
  bool is_integer_;
};

// What is known about the keys of a table once all were seen.
struct KeyShape {
  bool is_integer = true;
  bool all_uuid = true;
  std::uint64_t num_keys = 0;
  std::uint64_t num_null = 0;
  std::uint64_t num_bytes = 0;
  std::int64_t least = INT64_MAX;
  std::int64_t most = INT64_MIN;

  // Whether an array indexed by the integer takes less than a hash table.
  bool is_dense() const noexcept {
    return is_integer && num_keys > 0 &&
           static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least) < 4 * num_keys;
  }
  std::uint64_t span() const noexcept {
    return static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least) + 1;
  }
};

// Writes keys to disk in order of rows: `stem`.keys (i64), or `stem`.lengths (u32) and `stem`.bytes, and
// `stem`.rows (u32), the row of each key, counted from `first_row`.
class KeySpill {
 public:
  KeySpill(const std::string& stem, bool is_integer, std::uint32_t first_row = 0);
  // Rows without a key are counted and left out.
  void add(const KeyReader& keys);
  KeyShape finish();

 private:
  void put(std::int64_t key);
  void put(std::string_view key);
  ScratchWriter keys_;
  ScratchWriter lengths_;
  ScratchWriter bytes_;
  ScratchWriter rows_;
  std::uint32_t next_row_;
  KeyShape shape_;
  std::string buffer_;
};

// Finds rows of keys. `find` is exact: what a hash finds is compared with the key itself.
class KeyIndex {
 public:
  virtual ~KeyIndex() = default;
  virtual bool is_integer() const noexcept = 0;
  // Fills rows[0 … count) for keys of rows [first, first + count), kNone where there is none.
  virtual void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const = 0;
  // Whether this index would hold a key of that hash.
  virtual bool covers(std::uint64_t) const noexcept { return true; }
};

[[noreturn]] void fail_key_twice(const std::string& what, const std::string& key);

// Bytes of memory for an index over all keys of a shape.
std::uint64_t index_bytes(const KeyShape& shape);

// Reads the keys of a spill into memory. Of `passes` indexes each holds the keys whose hashes fall into its
// part; those that an array serves need one pass.
//
// Errors: GRAPH021 (user) when two rows have the same key.
std::unique_ptr<KeyIndex> load_index(const std::string& stem, const KeyShape& shape, unsigned pass,
                                     unsigned passes, const std::string& what);

// Returns an index over the keys of two, which share none: rows of `known`, and of `fresh` where that has none.
// It covers what `fresh` covers. Both must outlive it.
std::unique_ptr<KeyIndex> layer_index(const KeyIndex& known, const KeyIndex& fresh);

// How the files of a table hold its keys; see storedkeys.hpp.
enum class StoredKeys { direct, integer, uuid, bytes };

}  // namespace weft
