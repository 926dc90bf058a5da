// The binary files of a materialised graph: one array per file, checked block by block.
//
//   0      header, 4096 bytes: magic, version, kind, sizes, checksums; the rest is zero
//   4096   payload: num_items items of item_bytes each, little-endian, page-aligned
//   ...    one CRC-32C (4 bytes) per block of 4096 payload bytes, starting at the next multiple of 8
//
// The header is written last, so that a file whose writer died has none and is refused. Its own
// checksum covers the checksum of all block checksums: two files with equal `root` are equal.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace weft {

constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kHeaderBytes = 4096;
constexpr std::size_t kBlockBytes = 4096;

// What a file holds. Values are part of the format: never reuse one.
enum class Kind : std::uint32_t {
  rows = 1,         // item: one row of `stride` bytes
  time = 2,         // u32 per row: time code, see TimeBase
  low = 3,          // u32 per row: the part of the time below the unit
  source = 4,       // u32 per row: its number in the prepared table
  parent = 5,       // u32 per child row: the parent's row, or kNone
  offsets = 6,      // u32 per parent + 1: where its children start
  children = 7,     // {u32 row, u32 time code} per edge, by (time, source row) within a parent
  children_row = 8, // u32 row per edge, for children without time
  sparse_parent = 9,// u32, ascending: the parents that have children in an appended segment
  key_direct = 10,  // u32 per integer from `first`: the row, or kNone
  key_slots = 11,   // {u32 fingerprint, u32 row} open-addressing table
  key_values = 12,  // i64 per row: the integer key; 16 bytes per row: the UUID
  key_offsets = 13, // u64 per row + 1: where its key bytes start
  key_bytes = 14,   // bytes of keys that are texts or composite
  dangling = 15,    // u64, ascending: hashes of foreign keys without a parent
};

constexpr std::uint32_t kNone = 0xFFFFFFFFu;

// Writes one file from start to end in bounded memory.
//
// Errors: GRAPH010 (unavailable) when the disk refuses a write. A file that was not finished stays
// without a header and is removed by the destructor.
class FileWriter {
 public:
  FileWriter(std::string path, Kind kind, std::uint64_t item_bytes);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // Appends `size` bytes; any number of calls, any sizes.
  void append(const void* data, std::size_t size);
  // Writes checksums and header, through to the device where `through` says so; returns the root checksum.
  std::uint32_t finish(bool through = true);
  std::uint64_t payload_bytes() const noexcept { return payload_bytes_; }

 private:
  void write(const void* data, std::size_t size);
  void flush();
  void write_all(const void* data, std::size_t size);
  void seal_block();

  std::string path_;
  Kind kind_;
  std::uint64_t item_bytes_;
  std::uint64_t payload_bytes_ = 0;
  int file_ = -1;
  std::vector<std::byte> pending_;
  std::uint32_t block_crc_ = 0;
  std::size_t block_filled_ = 0;
  std::vector<std::uint32_t> checksums_;
  bool finished_ = false;
};

// One file mapped into memory, shared with every other process that maps it.
//
// Opening reads the header and nothing else. A block is checked when it is first needed: callers
// name what they are about to read with `need`, which costs one load and one branch afterwards.
// Threads may call `need` at once.
//
// Errors: GRAPH001 no file of this kind, GRAPH002 a newer version, GRAPH003 truncated,
// GRAPH004 a damaged header or block, GRAPH005 not the file that the manifest names.
class MappedFile {
 public:
  MappedFile() = default;
  // `root` is the checksum that the manifest holds for this file.
  MappedFile(const std::string& path, Kind kind, std::uint64_t item_bytes, std::uint32_t root);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::byte* data() const noexcept { return data_; }
  std::uint64_t num_items() const noexcept { return num_items_; }
  std::uint64_t payload_bytes() const noexcept { return payload_bytes_; }
  const std::string& path() const noexcept { return path_; }
  explicit operator bool() const noexcept { return data_ != nullptr; }

  template <class T>
  const T* as() const noexcept {
    return reinterpret_cast<const T*>(data_);
  }

  // Checks the blocks that hold payload bytes [first, first + size); size > 0. Bytes beyond the payload are
  // refused: whatever another file says, nothing outside of this one is read.
  void need(std::uint64_t first, std::uint64_t size) const {
    if (first + size > payload_bytes_) [[unlikely]] refuse_beyond(first + size);
    if (all_checked_) return;
    std::uint64_t block = first / kBlockBytes;
    const std::uint64_t last = (first + size - 1) / kBlockBytes;
    for (; block <= last; ++block) {
      const auto word = checked_[block / 64].load(std::memory_order_acquire);
      if (!(word >> (block % 64) & 1)) [[unlikely]] check_block(block);
    }
  }
  // Checks every block, in order.
  void need_all() const;
  // Copies the payload into anonymous memory backed by huge pages where the system has them; checks
  // it on the way. The copy is this process's own.
  void make_resident();

 private:
  void check_block(std::uint64_t block) const;
  [[noreturn]] void refuse_beyond(std::uint64_t end) const;
  void release() noexcept;

  std::string path_;
  const std::byte* data_ = nullptr;
  const std::uint32_t* checksums_ = nullptr;
  std::uint64_t num_items_ = 0;
  std::uint64_t payload_bytes_ = 0;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  void* resident_ = nullptr;
  std::size_t resident_bytes_ = 0;
  std::unique_ptr<std::atomic<std::uint64_t>[]> checked_;
  bool all_checked_ = false;
};

}  // namespace weft
