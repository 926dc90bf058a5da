#include "format.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "checksum.hpp"
#include "error.hpp"
#include "writefault.hpp"

static_assert(std::endian::native == std::endian::little, "files are little-endian and mapped as they are");

namespace weft {
namespace {

constexpr char kMagic[8] = {'W', 'E', 'F', 'T', 'G', 'R', 'P', 'H'};

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t kind;
  std::uint64_t item_bytes;
  std::uint64_t num_items;
  std::uint64_t payload_bytes;
  std::uint64_t block_bytes;
  std::uint32_t checksums_crc;  // over all block checksums
  std::uint32_t root;           // over everything above
};
static_assert(sizeof(Header) == 56);

// Files are written in pieces that lie as huge pages do, so that the system's cache can hold them in such.
constexpr std::size_t kPieceBytes = std::size_t{2} << 20;

std::uint64_t align8(std::uint64_t value) { return (value + 7) & ~std::uint64_t{7}; }

bool is_zero(const std::byte* bytes, std::size_t count) {
  return std::all_of(bytes, bytes + count, [](std::byte byte) { return byte == std::byte{0}; });
}

std::uint32_t root_of(const Header& header) {
  return crc32c(&header, sizeof(Header) - sizeof(header.root));
}

[[noreturn]] void refuse(const std::string& code, const std::string& path, const std::string& what) {
  throw Error(Fault::user, code, "'" + path + "' " + what + ".",
              "materialize the graph again from its tables.");
}

}  // namespace

FileWriter::FileWriter(std::string path, Kind kind, std::uint64_t item_bytes)
    : path_(std::move(path)), kind_(kind), item_bytes_(item_bytes) {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) fail_to_write(path_);
  pending_.assign(kHeaderBytes, std::byte{0});
}

FileWriter::~FileWriter() {
  if (file_ >= 0) ::close(file_);
  if (!finished_) ::unlink(path_.c_str());
}

void FileWriter::write(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  while (size > 0) {
    const std::size_t taken = std::min(size, kPieceBytes - pending_.size());
    pending_.insert(pending_.end(), bytes, bytes + taken);
    bytes += taken;
    size -= taken;
    if (pending_.size() == kPieceBytes) flush();
  }
}

void FileWriter::flush() {
  write_all(pending_.data(), pending_.size());
  pending_.clear();
}

void FileWriter::write_all(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  while (size > 0) {
    const ssize_t written = ::write(file_, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to_write(path_);
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
}

void FileWriter::seal_block() {
  checksums_.push_back(block_crc_);
  block_crc_ = 0;
  block_filled_ = 0;
}

void FileWriter::append(const void* data, std::size_t size) {
  write(data, size);
  payload_bytes_ += size;
  const auto* bytes = static_cast<const std::byte*>(data);
  while (size > 0) {
    const std::size_t taken = std::min(size, kBlockBytes - block_filled_);
    block_crc_ = crc32c(bytes, taken, block_crc_);
    block_filled_ += taken;
    bytes += taken;
    size -= taken;
    if (block_filled_ == kBlockBytes) seal_block();
  }
}

std::uint32_t FileWriter::finish(bool through) {
  if (block_filled_ > 0) seal_block();
  const std::uint64_t zero = 0;
  write(&zero, align8(payload_bytes_) - payload_bytes_);
  write(checksums_.data(), checksums_.size() * sizeof(std::uint32_t));
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.version = kFormatVersion;
  header.kind = static_cast<std::uint32_t>(kind_);
  header.item_bytes = item_bytes_;
  header.num_items = item_bytes_ == 0 ? 0 : payload_bytes_ / item_bytes_;
  header.payload_bytes = payload_bytes_;
  header.block_bytes = kBlockBytes;
  header.checksums_crc = crc32c(checksums_.data(), checksums_.size() * sizeof(std::uint32_t));
  header.root = root_of(header);
  // What the header vouches for is on the device before the header is.
  flush();
  if (through && ::fdatasync(file_) != 0) fail_to_write(path_);
  if (::lseek(file_, 0, SEEK_SET) != 0) fail_to_write(path_);
  write_all(&header, sizeof(header));
  const int closing = file_;
  file_ = -1;
  if (::close(closing) != 0) fail_to_write(path_);
  finished_ = true;
  return header.root;
}

MappedFile::MappedFile(const std::string& path, Kind kind, std::uint64_t item_bytes, std::uint32_t root)
    : path_(path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) refuse("GRAPH001", path, std::string("cannot be opened: ") + std::strerror(errno));
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    refuse("GRAPH001", path, "is not a file");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size < kHeaderBytes) {
    ::close(descriptor);
    refuse("GRAPH003", path, "has " + std::to_string(size) + " bytes, too few for a header");
  }
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  const int problem = errno;
  ::close(descriptor);
  if (mapping == MAP_FAILED) refuse("GRAPH001", path, std::string("cannot be mapped: ") + std::strerror(problem));
  mapping_ = mapping;
  mapping_bytes_ = size;
  try {
    Header header;
    std::memcpy(&header, mapping, sizeof(header));
    if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
      refuse("GRAPH001", path, "is not a file of a Weft graph, or its writer did not finish");
    }
    if (header.version != kFormatVersion) {
      throw Error(Fault::user, "GRAPH002",
                  "'" + path + "' has format version " + std::to_string(header.version) + "; this Weft reads " +
                      std::to_string(kFormatVersion) + ".",
                  "read it with the version of Weft that wrote it, or materialize the graph again.");
    }
    const auto* head = static_cast<const std::byte*>(mapping);
    if (header.root != root_of(header) || !is_zero(head + sizeof(Header), kHeaderBytes - sizeof(Header))) {
      refuse("GRAPH004", path, "has a damaged header");
    }
    if (header.kind != static_cast<std::uint32_t>(kind) || header.item_bytes != item_bytes ||
        header.block_bytes != kBlockBytes || header.root != root) {
      refuse("GRAPH005", path, "is a file of another graph or of another part of this one");
    }
    const std::uint64_t num_blocks = (header.payload_bytes + kBlockBytes - 1) / kBlockBytes;
    const std::uint64_t wanted = kHeaderBytes + align8(header.payload_bytes) + num_blocks * sizeof(std::uint32_t);
    if (size != wanted) {
      refuse("GRAPH003", path,
             "has " + std::to_string(size) + " bytes where " + std::to_string(wanted) + " were written");
    }
    num_items_ = header.num_items;
    payload_bytes_ = header.payload_bytes;
    data_ = static_cast<const std::byte*>(mapping) + kHeaderBytes;
    checksums_ = reinterpret_cast<const std::uint32_t*>(data_ + align8(payload_bytes_));
    const std::size_t num_words = num_blocks / 64 + 1;
    checked_ = std::make_unique<std::atomic<std::uint64_t>[]>(num_words);
    ::madvise(mapping, size, MADV_RANDOM);
#ifdef MADV_HUGEPAGE
    ::madvise(mapping, size, MADV_HUGEPAGE);  // heeded where the file system can
#endif
  } catch (...) {
    release();
    throw;
  }
}

MappedFile::~MappedFile() { release(); }

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  release();
  path_ = std::move(other.path_);
  data_ = std::exchange(other.data_, nullptr);
  checksums_ = std::exchange(other.checksums_, nullptr);
  num_items_ = std::exchange(other.num_items_, 0);
  payload_bytes_ = std::exchange(other.payload_bytes_, 0);
  mapping_ = std::exchange(other.mapping_, nullptr);
  mapping_bytes_ = std::exchange(other.mapping_bytes_, 0);
  resident_ = std::exchange(other.resident_, nullptr);
  resident_bytes_ = std::exchange(other.resident_bytes_, 0);
  checked_ = std::move(other.checked_);
  all_checked_ = std::exchange(other.all_checked_, false);
  return *this;
}

void MappedFile::release() noexcept {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_bytes_);
  if (resident_ != nullptr) ::munmap(resident_, resident_bytes_);
  mapping_ = resident_ = nullptr;
  data_ = nullptr;
}

void MappedFile::check_block(std::uint64_t block) const {
  const std::uint64_t first = block * kBlockBytes;
  const std::uint64_t size = std::min<std::uint64_t>(kBlockBytes, payload_bytes_ - first);
  // What fills up the last block has no checksum.
  const bool is_last = first + size == payload_bytes_;
  const std::size_t filling = is_last ? align8(payload_bytes_) - payload_bytes_ : 0;
  if (crc32c(data_ + first, size) != checksums_[block] || !is_zero(data_ + first + size, filling)) {
    refuse("GRAPH004", path_, "is damaged in block " + std::to_string(block) + ", bytes " +
                                  std::to_string(kHeaderBytes + first) + " to " +
                                  std::to_string(kHeaderBytes + first + size));
  }
  checked_[block / 64].fetch_or(std::uint64_t{1} << (block % 64), std::memory_order_release);
}

void MappedFile::refuse_beyond(std::uint64_t end) const {
  refuse("GRAPH006", path_, "ends at byte " + std::to_string(payload_bytes_) + "; another file of the graph points to " +
                                std::to_string(end));
}

void MappedFile::need_all() const {
  if (payload_bytes_ > 0) need(0, payload_bytes_);
}

void MappedFile::make_resident() {
  if (payload_bytes_ == 0 || resident_ != nullptr) return;
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  const std::size_t bytes = (payload_bytes_ + kHuge - 1) / kHuge * kHuge + kHuge;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw Error(Fault::unavailable, "GRAPH011",
                "there is no memory for a copy of '" + path_ + "' (" + std::to_string(payload_bytes_) + " bytes).",
                "open the graph mapped, which needs no copy.");
  }
  const auto start = (reinterpret_cast<std::uintptr_t>(memory) + kHuge - 1) / kHuge * kHuge;
  auto* copy = reinterpret_cast<std::byte*>(start);
#ifdef MADV_HUGEPAGE
  ::madvise(copy, bytes - kHuge, MADV_HUGEPAGE);
#endif
  try {
    need_all();
  } catch (...) {
    ::munmap(memory, bytes);
    throw;
  }
  std::memcpy(copy, data_, payload_bytes_);
  ::mprotect(memory, bytes, PROT_READ);
  resident_ = memory;
  resident_bytes_ = bytes;
  data_ = copy;
  all_checked_ = true;
  ::munmap(mapping_, mapping_bytes_);
  mapping_ = nullptr;
}

}  // namespace weft
