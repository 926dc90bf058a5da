#include "buffer.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace weft {
namespace {

constexpr std::size_t kSmallest = 4096;
constexpr std::size_t kNumClasses = 64;
constexpr std::size_t kSharedBytes = std::size_t{512} << 20;
constexpr std::size_t kThreadBytes = std::size_t{16} << 20;

// Memory that was given back, by class; the last one first, for it may still be in a cache.
class Shelf {
 public:
  explicit Shelf(std::size_t most) : most_(most) {}
  Shelf(const Shelf&) = delete;
  Shelf& operator=(const Shelf&) = delete;

  void* take(std::size_t index, std::size_t rounded) noexcept {
    auto& free = free_by_class_[index];
    if (free.empty()) return nullptr;
    void* memory = free.back();
    free.pop_back();
    kept_ -= rounded;
    return memory;
  }
  // Returns false where there is no room, for the memory or to remember it.
  bool keep(void* memory, std::size_t index, std::size_t rounded) noexcept {
    if (kept_ + rounded > most_) return false;
    try {
      free_by_class_[index].push_back(memory);
    } catch (const std::bad_alloc&) {
      return false;
    }
    kept_ += rounded;
    return true;
  }
  void clear() noexcept {
    for (auto& free : free_by_class_) {
      for (void* memory : free) std::free(memory);
      free.clear();
    }
    kept_ = 0;
  }

 private:
  std::size_t most_;
  std::size_t kept_ = 0;
  std::array<std::vector<void*>, kNumClasses> free_by_class_;
};

struct Pool {
  std::mutex guard;
  Shelf shelf{kSharedBytes};
};

// Never destroyed: arrays may be given back by Python while the process ends.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

// What a thread gave back it takes first: memory that another core wrote last is slow to write.
class OwnShelf {
 public:
  OwnShelf() = default;
  OwnShelf(const OwnShelf&) = delete;
  OwnShelf& operator=(const OwnShelf&) = delete;
  ~OwnShelf() {
    shelf.clear();
    is_alive = false;
  }
  Shelf shelf{kThreadBytes};
  // Readable after the destructor too: a thread that ends may give back memory later than this.
  static thread_local bool is_alive;
};
thread_local bool OwnShelf::is_alive = true;

Shelf* own_shelf() {
  thread_local OwnShelf own;
  return OwnShelf::is_alive ? &own.shelf : nullptr;
}

// Classes are powers of two and their halves between: 4, 6, 8, 12, 16 … KiB.
std::size_t class_of(std::size_t bytes, std::size_t& rounded) {
  const std::size_t power = std::bit_ceil(bytes < kSmallest ? kSmallest : bytes);
  const std::size_t between = power / 4 * 3;
  const auto exponent = static_cast<std::size_t>(std::countr_zero(power)) - 12;
  if (bytes <= between && power > kSmallest) {
    rounded = between;
    return exponent * 2 - 1;
  }
  rounded = power;
  return exponent * 2;
}

}  // namespace

void* take_memory(std::size_t bytes) {
  std::size_t rounded = 0;
  const std::size_t index = class_of(bytes, rounded);
  if (index < kNumClasses) {
    if (Shelf* own = own_shelf()) {
      if (void* memory = own->take(index, rounded)) return memory;
    }
    Pool& shared = pool();
    const std::lock_guard lock(shared.guard);
    if (void* memory = shared.shelf.take(index, rounded)) return memory;
  }
  void* memory = std::aligned_alloc(64, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void give_memory(void* memory, std::size_t bytes) noexcept {
  std::size_t rounded = 0;
  const std::size_t index = class_of(bytes, rounded);
  if (index < kNumClasses) {
    Shelf* own = own_shelf();
    if (own != nullptr && own->keep(memory, index, rounded)) return;
    Pool& shared = pool();
    const std::lock_guard lock(shared.guard);
    if (shared.shelf.keep(memory, index, rounded)) return;
  }
  std::free(memory);
}

}  // namespace weft
