#include "scratch.hpp"

#include <fcntl.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error.hpp"
#include "writefault.hpp"

namespace weft {
namespace {

constexpr std::size_t kBufferBytes = 1 << 18;

}  // namespace

void fail_scratch_write(const std::string& path) {
  fail_to_write(path);
}

bool exchange_paths(const std::string& left, const std::string& right) noexcept {
#if defined(__linux__) && defined(SYS_renameat2)
  constexpr unsigned kExchange = 2;
  return ::syscall(SYS_renameat2, AT_FDCWD, left.c_str(), AT_FDCWD, right.c_str(), kExchange) == 0;
#else
  return false;
#endif
}

ScratchWriter::ScratchWriter(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor_ < 0) fail_scratch_write(path_);
  buffer_.reserve(kBufferBytes);
}

ScratchWriter::~ScratchWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ScratchWriter::append(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  while (size > 0) {
    const std::size_t taken = std::min(size, kBufferBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes, bytes + taken);
    bytes += taken;
    size -= taken;
    if (buffer_.size() == kBufferBytes) flush();
  }
}

void ScratchWriter::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t wrote = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail_scratch_write(path_);
    done += static_cast<std::size_t>(wrote);
  }
  buffer_.clear();
}

void ScratchWriter::finish() {
  if (descriptor_ < 0) return;
  flush();
  const int closing = descriptor_;
  descriptor_ = -1;
  buffer_ = {};
  if (::close(closing) != 0) fail_scratch_write(path_);
}

ScratchReader::ScratchReader(std::string path, std::size_t item_bytes, std::size_t skip_bytes)
    : path_(std::move(path)), item_(item_bytes), skip_(skip_bytes), position_(skip_bytes) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw Error(Fault::unavailable, "GRAPH026", "'" + path_ + "' cannot be read: " + std::strerror(errno) + ".",
                "leave the folder alone while a graph is materialized in it, and run it again.");
  }
}

ScratchReader::~ScratchReader() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void ScratchReader::read(void* out, std::size_t items) {
  auto* bytes = static_cast<std::byte*>(out);
  std::size_t wanted = items * item_;
  while (wanted > 0) {
    const ssize_t got = ::pread(descriptor_, bytes, wanted, static_cast<off_t>(position_));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw Error(Fault::unavailable, "GRAPH026",
                  "'" + path_ + "' cannot be read: " + (got == 0 ? "it is too short" : std::strerror(errno)) + ".",
                  "leave the folder alone while a graph is materialized in it, and run it again.");
    }
    bytes += got;
    wanted -= static_cast<std::size_t>(got);
    position_ += static_cast<std::uint64_t>(got);
  }
}

U32Stream::U32Stream(const std::string& path, std::size_t skip_bytes) {
  if (path.empty()) return;
  chunk_.resize(kChunk);
  reader_ = std::make_unique<ScratchReader>(path, sizeof(std::uint32_t), skip_bytes);
}

const std::uint32_t* U32Stream::next(std::size_t items) {
  if (!reader_) return nullptr;
  reader_->read(chunk_.data(), items);
  return chunk_.data();
}

void U32Stream::seek(std::uint64_t item) noexcept {
  if (reader_) reader_->seek(item);
}

}  // namespace weft
