// Random numbers by position: no state is shared, so that any thread draws the same numbers.
#pragma once

#include <cstdint>

namespace weft {

// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that mixes every bit.
inline std::uint64_t mix(std::uint64_t value) noexcept {
  value ^= value >> 30;
  value *= 0xBF58476D1CE4E5B9ull;
  value ^= value >> 27;
  value *= 0x94D049BB133111EBull;
  return value ^ (value >> 31);
}

// Joins two words into one key; the order matters.
inline std::uint64_t join(std::uint64_t key, std::uint64_t word) noexcept {
  return mix(key + 0x9E3779B97F4A7C15ull + mix(word + 0x9E3779B97F4A7C15ull));
}

// A sequence of draws that belongs to one key: SplitMix64 started at the key.
class Draws {
 public:
  explicit Draws(std::uint64_t key) noexcept : state_(key) {}
  std::uint64_t next() noexcept { return mix(state_ += 0x9E3779B97F4A7C15ull); }
  // A number in [0, bound), bound > 0; its bias is below bound / 2^64.
  std::uint32_t below(std::uint32_t bound) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint32_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  // A number in [0, 1) with 53 random bits.
  double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace weft
