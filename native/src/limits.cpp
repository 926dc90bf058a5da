#include "limits.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "error.hpp"
#include "random.hpp"

namespace weft {
namespace {

constexpr std::size_t kHuge = std::size_t{2} << 20;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kLine = 64;
constexpr std::size_t kAhead = 24;  // as the engine's gather, so that only what it adds differs

// A row of a size that the compiler knows is copied by whole registers, as any good gather would.
template <std::size_t kStride>
void copy_rows_of(const std::byte* from, std::span<const std::uint32_t> rows, std::byte* out) noexcept {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) {
      const std::byte* later = from + std::size_t{rows[i + kAhead]} * kStride;
      for (std::size_t at = 0; at < kStride; at += kLine) __builtin_prefetch(later + at);
    }
    std::memcpy(out + i * kStride, from + std::size_t{rows[i]} * kStride, kStride);
  }
}

void copy_rows_of_any(const std::byte* from, std::size_t stride, std::span<const std::uint32_t> rows,
                      std::byte* out) noexcept {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) {
      const std::byte* later = from + std::size_t{rows[i + kAhead]} * stride;
      for (std::size_t at = 0; at < stride; at += kLine) __builtin_prefetch(later + at);
    }
    std::memcpy(out + i * stride, from + std::size_t{rows[i]} * stride, stride);
  }
}

}  // namespace

ProbeMemory::ProbeMemory(std::size_t bytes, bool has_huge_pages) : bytes_(std::bit_ceil(std::max(bytes, kPage))) {
  mapping_bytes_ = bytes_ + kHuge;
  mapping_ = ::mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED) {
    throw Error(Fault::unavailable, "GRAPH011",
                "there is no memory for a measurement over " + std::to_string(bytes_) + " bytes.",
                "measure over less.");
  }
  const auto start = (reinterpret_cast<std::uintptr_t>(mapping_) + kHuge - 1) / kHuge * kHuge;
  words_ = reinterpret_cast<std::uint64_t*>(start);
#ifdef MADV_HUGEPAGE
  ::madvise(words_, bytes_, has_huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
  // Pages that were only read are all the same page of zeros.
  for (std::size_t i = 0; i < bytes_ / sizeof(std::uint64_t); ++i) words_[i] = i;
}

ProbeMemory::~ProbeMemory() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_bytes_);
}

std::uint64_t ProbeMemory::read_words(std::uint64_t count, std::uint64_t key) const noexcept {
  const std::uint64_t mask = bytes_ / sizeof(std::uint64_t) - 1;
  std::uint64_t sum = 0;
  std::uint64_t at = key;
  for (std::uint64_t i = 0; i < count; ++i) {
    // Half of the words of a linear congruential sequence (Knuth, TAOCP 2, 3.3.4): places cost next to nothing.
    at = at * 6364136223846793005ull + 1442695040888963407ull;
    sum += words_[(at >> 33) & mask];
  }
  return sum;
}

void copy_rows(const Table& table, std::span<const std::uint32_t> rows, std::byte* out) noexcept {
  const std::byte* from = table.segments[0].rows.data();
  switch (table.stride) {
    case 64: return copy_rows_of<64>(from, rows, out);
    case 128: return copy_rows_of<128>(from, rows, out);
    case 256: return copy_rows_of<256>(from, rows, out);
    default: return copy_rows_of_any(from, table.stride, rows, out);
  }
}

}  // namespace weft
