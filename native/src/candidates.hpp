// Successive draws without replacement: what was drawn already, and exact draws from a list of candidates.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "buffer.hpp"
#include "format.hpp"
#include "random.hpp"
#include "strategy.hpp"

namespace weft {

// Says whether rows are among those of a list. A list in no order is looked through, which beats sorting it
// for a few questions, and sorted once there were more.
class RowSet {
 public:
  // `rows` stays where it is meanwhile.
  void start(std::span<const std::uint32_t> rows) {
    rows_ = rows;
    is_sorted_ = rows.size() > kFew && std::is_sorted(rows.begin(), rows.end());
    num_asked_ = 0;
  }
  bool has(std::uint32_t row) {
    if (rows_.size() <= kFew) return is_among(rows_.data(), rows_.size(), row);
    if (!is_sorted_ && ++num_asked_ > kMostAsked) sort();
    return is_sorted_ ? std::binary_search(rows_.begin(), rows_.end(), row) : look(row);
  }

 private:
  static constexpr std::size_t kFew = 16;
  static constexpr std::uint32_t kMostAsked = 64;
  bool look(std::uint32_t row) const noexcept {
    bool is_found = false;
    for (const std::uint32_t one : rows_) is_found |= one == row;  // without a way out, many at a time
    return is_found;
  }
  void sort() {
    spare_.assign(rows_.begin(), rows_.end());
    std::sort(spare_.begin(), spare_.end());
    rows_ = spare_;
    is_sorted_ = true;
  }
  std::span<const std::uint32_t> rows_;
  std::vector<std::uint32_t> spare_;
  bool is_sorted_ = false;
  std::uint32_t num_asked_ = 0;
};

// Rows that were drawn, found among few by looking and among many by hashing.
class Drawn {
 public:
  // Starts over, for at most `most` rows written to `out`.
  void start(std::uint32_t* out, std::uint32_t most) {
    out_ = out;
    most_ = most;
    count_ = 0;
    if (most <= kFew) return;
    bits_ = static_cast<unsigned>(std::bit_width(most));
    slots_.assign(std::size_t{2} << bits_, kNone);
  }
  std::uint32_t count() const noexcept { return count_; }
  bool is_full() const noexcept { return count_ == most_; }
  bool has(std::uint32_t row) const noexcept {
    if (most_ <= kFew) return is_among(out_, count_, row);
    return slots_[place(row)] == row;
  }
  void add(std::uint32_t row) noexcept {
    if (most_ > kFew) slots_[place(row)] = row;
    out_[count_++] = row;
  }

 private:
  static constexpr std::uint32_t kFew = 32;
  std::size_t place(std::uint32_t row) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = mix(row) & mask;
    while (slots_[at] != kNone && slots_[at] != row) at = (at + 1) & mask;
    return at;
  }
  std::uint32_t* out_ = nullptr;
  std::uint32_t most_ = 0;
  std::uint32_t count_ = 0;
  unsigned bits_ = 0;
  std::vector<std::uint32_t> slots_;
};

// Keeps the first `wanted` of weighted candidates in the order in which successive draws without replacement
// would draw them: each waits an exponential time of rate `weight` (Efraimidis and Spirakis, 2006). Memory is
// O(wanted). The number of a candidate stands for its randomness, so that the order they come in is no matter.
class Waiting {
 public:
  void start(std::uint64_t key, std::uint32_t wanted) {
    key_ = key;
    wanted_ = wanted;
    entries_.clear();
    longest_ = HUGE_VAL;
  }
  void add(std::uint64_t number, std::uint32_t row, double weight) {
    const double time = -std::log1p(-Draws(join(key_, number)).unit()) / weight;
    if (time > longest_) return;
    entries_.emplace_back(time, number, row);
    if (entries_.size() >= 2 * std::size_t{wanted_} + 1024) trim();
  }
  // Calls use(row) for those kept, in order.
  template <class Use>
  void finish(Use use) {
    if (entries_.size() > wanted_) trim();
    std::sort(entries_.begin(), entries_.end());
    for (const auto& [time, number, row] : entries_) use(row);
  }

 private:
  void trim() {
    std::nth_element(entries_.begin(), entries_.begin() + (wanted_ - 1), entries_.end());
    entries_.resize(wanted_);
    longest_ = std::get<0>(entries_.back());
  }
  std::uint64_t key_ = 0;
  std::uint32_t wanted_ = 0;
  double longest_ = HUGE_VAL;
  std::vector<std::tuple<double, std::uint64_t, std::uint32_t>> entries_;
};

}  // namespace weft
