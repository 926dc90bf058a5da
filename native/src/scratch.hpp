// Plain arrays on disk that live while a graph is built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weft {

// Appends to a file through a buffer.
//
// Errors: GRAPH010 (unavailable) when the disk refuses a write.
class ScratchWriter {
 public:
  explicit ScratchWriter(std::string path);
  ~ScratchWriter();
  ScratchWriter(const ScratchWriter&) = delete;
  ScratchWriter& operator=(const ScratchWriter&) = delete;
  void append(const void* data, std::size_t size);
  // Hands what is buffered to the system. Nothing may be appended afterwards.
  void finish();

 private:
  void flush();
  std::string path_;
  int descriptor_ = -1;
  std::vector<std::byte> buffer_;
};

// Reads an array of items of `item_bytes` from start to end, or from an item that was sought.
// `skip_bytes` is the length of a header.
//
// Errors: GRAPH026 (unavailable) when the file cannot be read.
class ScratchReader {
 public:
  ScratchReader(std::string path, std::size_t item_bytes, std::size_t skip_bytes = 0);
  ~ScratchReader();
  ScratchReader(const ScratchReader&) = delete;
  ScratchReader& operator=(const ScratchReader&) = delete;
  void seek(std::uint64_t item) noexcept { position_ = skip_ + item * item_; }
  // Fills `out` with the next `items` items; all of them must be there.
  void read(void* out, std::size_t items);

 private:
  std::string path_;
  int descriptor_ = -1;
  std::size_t item_;
  std::size_t skip_;
  std::uint64_t position_;
};

// Streams several arrays of u32 side by side, a chunk at a time: `path` may be empty, then `at` is nullptr.
class U32Stream {
 public:
  static constexpr std::size_t kChunk = 1 << 14;
  explicit U32Stream(const std::string& path, std::size_t skip_bytes = 0);
  const std::uint32_t* next(std::size_t items);
  void seek(std::uint64_t item) noexcept;

 private:
  std::unique_ptr<ScratchReader> reader_;
  std::vector<std::uint32_t> chunk_;
};

// Exchanges two folders in one step. Returns false where the system has no such call, or refuses it.
bool exchange_paths(const std::string& left, const std::string& right) noexcept;

[[noreturn]] void fail_scratch_write(const std::string& path);

}  // namespace weft
