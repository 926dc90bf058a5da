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
constexpr std::size_t kKeptBytes = std::size_t{512} << 20;

struct Pool {
  std::mutex guard;
  std::array<std::vector<void*>, 64> free_by_class;
  std::size_t kept_bytes = 0;
};

// Never destroyed: arrays may be given back by Python while the process ends.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
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
  if (index < 64) {
    Pool& shared = pool();
    const std::lock_guard lock(shared.guard);
    auto& free = shared.free_by_class[index];
    if (!free.empty()) {
      void* memory = free.back();
      free.pop_back();
      shared.kept_bytes -= rounded;
      return memory;
    }
  }
  void* memory = std::aligned_alloc(64, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void give_memory(void* memory, std::size_t bytes) noexcept {
  std::size_t rounded = 0;
  const std::size_t index = class_of(bytes, rounded);
  if (index < 64) {
    Pool& shared = pool();
    const std::lock_guard lock(shared.guard);
    if (shared.kept_bytes + rounded <= kKeptBytes) {
      try {
        shared.free_by_class[index].push_back(memory);
        shared.kept_bytes += rounded;
        return;
      } catch (const std::bad_alloc&) {
        // Without room to remember it, it is freed.
      }
    }
  }
  std::free(memory);
}

}  // namespace weft
