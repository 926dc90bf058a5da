// Uninitialised, aligned arrays whose memory is kept for the next batch.
//
// A batch of a few megabytes would otherwise be mapped, faulted in page by page and unmapped again,
// which costs as much as filling it.
#pragma once

#include <cstddef>
#include <utility>

namespace weft {

// Memory of at least `bytes`, aligned to 64; may be taken from what was given back. Throws std::bad_alloc.
void* take_memory(std::size_t bytes);
// Gives memory back. A thread keeps 16 MB of what it gave back for itself, for its cache may still hold it; beyond
// that 512 MB are kept for all threads, and the rest is freed. Threads may call both at once.
void give_memory(void* memory, std::size_t bytes) noexcept;

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size), data_(size > 0 ? static_cast<T*>(take_memory(size * sizeof(T))) : nullptr) {}
  ~Buffer() { reset(); }
  Buffer(Buffer&& other) noexcept : size_(std::exchange(other.size_, 0)), data_(std::exchange(other.data_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      reset();
      size_ = std::exchange(other.size_, 0);
      data_ = std::exchange(other.data_, nullptr);
    }
    return *this;
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  T& operator[](std::size_t i) noexcept { return data_[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  void reset() noexcept {
    if (data_ != nullptr) give_memory(data_, size_ * sizeof(T));
    data_ = nullptr;
  }

  std::size_t size_ = 0;
  T* data_ = nullptr;
};

// A growing array whose new elements are not initialised.
template <class T>
class Growing {
 public:
  void clear() noexcept { size_ = 0; }
  std::size_t size() const noexcept { return size_; }
  T* data() noexcept { return buffer_.data(); }
  const T* data() const noexcept { return buffer_.data(); }
  T& operator[](std::size_t i) noexcept { return buffer_[i]; }
  const T& operator[](std::size_t i) const noexcept { return buffer_[i]; }
  void push_back(const T& value) {
    reserve_for(1);
    buffer_[size_++] = value;
  }
  // Makes room for `count` more and returns where they begin; `commit` says how many were written.
  T* grow(std::size_t count) {
    reserve_for(count);
    return buffer_.data() + size_;
  }
  void commit(std::size_t count) noexcept { size_ += count; }
  // Drops all after the first `count` elements.
  void cut(std::size_t count) noexcept { size_ = count; }

 private:
  void reserve_for(std::size_t count) {
    if (size_ + count <= buffer_.size()) return;
    std::size_t wanted = buffer_.size() < 1024 ? 1024 : buffer_.size() * 2;
    if (wanted < size_ + count) wanted = size_ + count;
    Buffer<T> larger(wanted);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = buffer_[i];
    buffer_ = std::move(larger);
  }

  Buffer<T> buffer_;
  std::size_t size_ = 0;
};

}  // namespace weft
