// A stable sort of time-stamped items, for groups of every size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace weft {

// An item whose time is a code alone: code in the high half, value in the low one.
struct PlainItem {
  std::uint64_t bits;
  static PlainItem make(std::uint32_t code, std::uint32_t, std::uint32_t value) noexcept {
    return {static_cast<std::uint64_t>(code) << 32 | value};
  }
  std::uint64_t time() const noexcept { return bits >> 32; }
  std::uint32_t code() const noexcept { return static_cast<std::uint32_t>(bits >> 32); }
  std::uint32_t low() const noexcept { return 0; }
  std::uint32_t value() const noexcept { return static_cast<std::uint32_t>(bits); }
  static constexpr unsigned kTimeBytes = 4;
};

// An item with the low part of its time.
struct LowItem {
  std::uint64_t when;
  std::uint32_t carried;
  std::uint32_t unused;
  static LowItem make(std::uint32_t code, std::uint32_t low, std::uint32_t value) noexcept {
    return {static_cast<std::uint64_t>(code) << 32 | low, value, 0};
  }
  std::uint64_t time() const noexcept { return when; }
  std::uint32_t code() const noexcept { return static_cast<std::uint32_t>(when >> 32); }
  std::uint32_t low() const noexcept { return static_cast<std::uint32_t>(when); }
  std::uint32_t value() const noexcept { return carried; }
  static constexpr unsigned kTimeBytes = 8;
};

template <class Item>
void insertion_sort(Item* items, std::size_t size) noexcept {
  for (std::size_t i = 1; i < size; ++i) {
    const Item moving = items[i];
    std::size_t j = i;
    for (; j > 0 && items[j - 1].time() > moving.time(); --j) items[j] = items[j - 1];
    items[j] = moving;
  }
}

template <class Item>
void merge_sort(Item* items, std::size_t size, Item* spare) noexcept {
  constexpr std::size_t kRun = 16;
  for (std::size_t i = 0; i < size; i += kRun) insertion_sort(items + i, std::min(kRun, size - i));
  Item* from = items;
  Item* to = spare;
  for (std::size_t width = kRun; width < size; width *= 2, std::swap(from, to)) {
    for (std::size_t start = 0; start < size; start += 2 * width) {
      const std::size_t middle = std::min(start + width, size);
      const std::size_t end = std::min(start + 2 * width, size);
      std::merge(from + start, from + middle, from + middle, from + end, to + start,
                 [](const Item& a, const Item& b) { return a.time() < b.time(); });
    }
  }
  if (from != items) std::memcpy(items, from, size * sizeof(Item));
}

// By bytes of the time from the lowest on; bytes that are the same in all items are skipped.
template <class Item>
void radix_sort(Item* items, std::size_t size, Item* spare) noexcept {
  std::uint64_t differing = 0;
  for (std::size_t i = 1; i < size; ++i) differing |= items[i].time() ^ items[0].time();
  Item* from = items;
  Item* to = spare;
  for (unsigned byte = 0; byte < Item::kTimeBytes; ++byte) {
    const unsigned shift = 8 * byte;
    if ((differing >> shift & 0xFF) == 0) continue;
    std::size_t starts[257] = {};
    for (std::size_t i = 0; i < size; ++i) ++starts[(from[i].time() >> shift & 0xFF) + 1];
    for (unsigned i = 1; i < 256; ++i) starts[i] += starts[i - 1];
    for (std::size_t i = 0; i < size; ++i) to[starts[from[i].time() >> shift & 0xFF]++] = from[i];
    std::swap(from, to);
  }
  if (from != items) std::memcpy(items, from, size * sizeof(Item));
}

// Sorts by time and keeps the order of items of equal time. Groups that are in order, as those of a table
// that was written as things happened mostly are, cost one pass. `spare` grows to the size.
template <class Item>
void stable_sort_by_time(Item* items, std::size_t size, std::vector<Item>& spare) {
  std::size_t sorted = 1;
  while (sorted < size && items[sorted - 1].time() <= items[sorted].time()) ++sorted;
  if (sorted >= size) return;
  if (size <= 24) return insertion_sort(items, size);
  if (spare.size() < size) spare.resize(size);
  if (size <= 256) return merge_sort(items, size, spare.data());
  radix_sort(items, size, spare.data());
}

}  // namespace weft
