// Packed rows on their way to their places.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pack.hpp"

namespace weft {

RowWriter::RowWriter(const std::string& path, std::uint32_t stride, std::uint64_t count, const std::string& inverse,
                     std::uint32_t first_row, const std::string& scratch, std::uint64_t budget)
    : writer_(path, Kind::rows, stride), stride_(stride), count_(count), first_row_(first_row), scratch_(scratch) {
  if (inverse.empty() || count == 0) return;
  inverse_ = std::make_unique<ScratchReader>(inverse, sizeof(std::uint32_t));
  per_range_ = std::clamp<std::uint64_t>(budget / 2 / stride, 64, count);
  const std::uint64_t ranges = (count + per_range_ - 1) / per_range_;
  held_.resize(per_range_ * stride);
  if (ranges == 1) return;
  const std::size_t record = stride + sizeof(std::uint32_t);
  buffer_bytes_ = std::clamp<std::size_t>(budget / 2 / ranges, record, 1 << 18) / record * record;
  buffers_.resize(ranges);
  for (auto& buffer : buffers_) buffer.reserve(buffer_bytes_);
  sent_.resize(ranges);
  descriptor_ = ::open(scratch_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor_ < 0) fail_scratch_write(scratch_);
}

RowWriter::~RowWriter() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    ::unlink(scratch_.c_str());
  }
}

void RowWriter::append(const std::byte* rows, std::size_t count) {
  if (!inverse_) {
    writer_.append(rows, count * stride_);
    return;
  }
  places_.resize(count);
  inverse_->read(places_.data(), count);
  for (std::size_t i = 0; i < count; ++i) put(places_[i] - first_row_, rows + i * stride_);
}

void RowWriter::put(std::uint64_t row, const std::byte* data) {
  if (buffers_.empty()) {
    std::memcpy(held_.data() + row * stride_, data, stride_);
    return;
  }
  const std::size_t range = row / per_range_;
  std::vector<std::byte>& buffer = buffers_[range];
  const auto place = static_cast<std::uint32_t>(row % per_range_);
  const auto* bytes = reinterpret_cast<const std::byte*>(&place);
  buffer.insert(buffer.end(), bytes, bytes + sizeof(place));
  buffer.insert(buffer.end(), data, data + stride_);
  if (buffer.size() >= buffer_bytes_) flush(range);
}

// Each range has its own region of the file, as long as its rows are.
void RowWriter::flush(std::size_t range) {
  std::vector<std::byte>& buffer = buffers_[range];
  const std::uint64_t record = stride_ + sizeof(std::uint32_t);
  std::uint64_t at = range * per_range_ * record + sent_[range];
  sent_[range] += buffer.size();
  for (std::size_t done = 0; done < buffer.size();) {
    const ssize_t wrote = ::pwrite(descriptor_, buffer.data() + done, buffer.size() - done, static_cast<off_t>(at));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail_scratch_write(scratch_);
    done += static_cast<std::size_t>(wrote);
    at += static_cast<std::uint64_t>(wrote);
  }
  buffer.clear();
}

std::uint32_t RowWriter::rows_in(std::size_t range) const {
  return static_cast<std::uint32_t>(std::min(per_range_, count_ - range * per_range_));
}

std::uint32_t RowWriter::finish() {
  if (inverse_ && buffers_.empty()) writer_.append(held_.data(), count_ * stride_);
  for (std::size_t range = 0; range < buffers_.size(); ++range) {
    if (!buffers_[range].empty()) flush(range);
    buffers_[range] = {};
  }
  const std::size_t record = stride_ + sizeof(std::uint32_t);
  constexpr std::size_t kRecords = 1024;
  std::vector<std::byte> chunk(kRecords * record);
  for (std::size_t range = 0; range < buffers_.size(); ++range) {
    ScratchReader reader(scratch_, record);
    reader.seek(range * per_range_);
    for (std::uint32_t done = 0; done < rows_in(range); done += kRecords) {
      const std::size_t count = std::min<std::size_t>(kRecords, rows_in(range) - done);
      reader.read(chunk.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t place;
        std::memcpy(&place, chunk.data() + i * record, sizeof(place));
        std::memcpy(held_.data() + std::size_t{place} * stride_, chunk.data() + i * record + sizeof(place), stride_);
      }
    }
    writer_.append(held_.data(), std::uint64_t{rows_in(range)} * stride_);
  }
  return writer_.finish();
}

}  // namespace weft
