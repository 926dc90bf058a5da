// How a key is found in the files of a table: hashes, slots, and the bytes of keys that are not integers.
//
// Shared by the side that writes key files and the side that looks keys up.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "format.hpp"

namespace weft {

// Both hashes are part of the format. `hash_integer` is the finalizer of splitmix64 (Steele, Lea and Flood,
// 2014), `hash_bytes` folds 8 bytes at a time through a 128-bit product.
inline std::uint64_t hash_integer(std::int64_t key) noexcept {
  auto x = static_cast<std::uint64_t>(key) + 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a ^ 0x2D358DCCAA6C78A5u) * (b ^ 0x8BB84B93962EACC9u);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash_bytes(const void* data, std::size_t size) noexcept {
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t hash = size;
  std::uint64_t word = 0;
  for (; size >= 8; size -= 8, bytes += 8) {
    std::memcpy(&word, bytes, 8);
    hash = fold(hash, word);
  }
  word = 0;
  std::memcpy(&word, bytes, size);
  return hash_integer(static_cast<std::int64_t>(fold(hash, word)));
}

// One place of the table in key_slots: `row` is kNone where it is empty, `fingerprint` the low half of the hash.
struct Slot {
  std::uint32_t fingerprint;
  std::uint32_t row;
};

// A file of slots holds a power of two of homes and, after them, fewer places than that for what did not fit.
// The home of a key is the high bits of its hash; from there on slots are tried in order until one is
// empty. The last slot is empty, so that no search wraps around.
inline unsigned home_bits(std::uint64_t num_slots) noexcept {
  return static_cast<unsigned>(std::bit_width(num_slots)) - 1;
}
inline std::uint64_t home_of(std::uint64_t hash, unsigned bits) noexcept { return hash >> (64 - bits); }

// Homes for `rows` keys, at most two thirds of them taken.
inline std::uint64_t num_homes(std::uint64_t rows) noexcept {
  return std::bit_ceil(rows + rows / 2 < 8 ? std::uint64_t{8} : rows + rows / 2);
}

// Returns the row of a key, kNone where no slot holds it. `slot(i)` reads a slot, `same(row)` says whether the
// key of a row is the one looked for. About two probes for a key that is there.
template <class SlotAt, class Same>
std::uint32_t find_slot(SlotAt slot, std::uint64_t num_slots, std::uint64_t hash, Same same) {
  const auto fingerprint = static_cast<std::uint32_t>(hash);
  for (std::uint64_t i = home_of(hash, home_bits(num_slots)); i < num_slots; ++i) {
    const Slot found = slot(i);
    if (found.row == kNone) return kNone;
    if (found.fingerprint == fingerprint && same(found.row)) return found.row;
  }
  return kNone;
}

struct Uuid {
  unsigned char bytes[16];
};

// Reads canonical UUID text: 8-4-4-4-12 lower-case hexadecimal digits. Bytes are in the order of the text.
inline std::optional<Uuid> parse_uuid(std::string_view text) noexcept {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid{};
  unsigned digits = 0;
  for (std::size_t i = 0; i < 36; ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0) return std::nullopt;
    auto& byte = uuid.bytes[digits / 2];
    byte = static_cast<unsigned char>(byte << 4 | value);
    ++digits;
  }
  return uuid;
}

// The canonical text of a UUID.
inline std::string uuid_text(const Uuid& uuid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kDigits[uuid.bytes[i] >> 4]);
    text.push_back(kDigits[uuid.bytes[i] & 15]);
  }
  return text;
}

}  // namespace weft
