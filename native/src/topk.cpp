#include "topk.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weft {
namespace {

constexpr std::size_t kGroup = 64;
constexpr std::size_t kLeastSlack = 64;
constexpr std::size_t kSmall = 24;
constexpr int kMostRounds = 40;

std::size_t capacity_for(std::size_t k) noexcept { return k + std::max(k, kLeastSlack); }

// A score and an item as one integer: greater is better, equal scores prefer the lower item.
std::uint64_t key_of(float score, std::uint32_t item) {
  // -0 and 0 are equal scores and must be equal integers.
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f);
  const std::uint32_t ordered = bits ^ ((bits >> 31) ? 0xFFFFFFFFu : 0x80000000u);
  return std::uint64_t{ordered} << 32 | (0xFFFFFFFFu - item);
}

float score_of(std::uint64_t key) {
  const auto ordered = static_cast<std::uint32_t>(key >> 32);
  return std::bit_cast<float>(ordered ^ ((ordered >> 31) ? 0x80000000u : 0xFFFFFFFFu));
}

std::uint32_t item_of(std::uint64_t key) { return 0xFFFFFFFFu - static_cast<std::uint32_t>(key); }

// Moves the `kept` greatest of `size` distinct keys to the front; keys[kept - 1] is the least of them afterwards.
//
// Quickselect whose partition writes each key to both ends of `spare` and advances one of them: random keys
// make a compare-and-branch partition mispredict every other time, which costs four times as much. Where pivots
// fail, the library's introselect takes over.
void keep_greatest(std::uint64_t* keys, std::size_t size, std::size_t kept, std::uint64_t* spare) {
  std::size_t first = 0;
  std::size_t last = size;
  for (int round = 0; last - first > kSmall; ++round) {
    if (round == kMostRounds) break;
    const std::uint64_t a = keys[first];
    const std::uint64_t b = keys[first + (last - first) / 2];
    const std::uint64_t c = keys[last - 1];
    const std::uint64_t pivot = std::max(std::min(a, b), std::min(std::max(a, b), c));
    std::size_t front = 0;
    std::size_t back = last - first - 1;
    for (std::size_t i = first; i < last; ++i) {
      const std::uint64_t key = keys[i];
      const bool is_greater = key > pivot;
      spare[front] = key;
      spare[back] = key;
      front += is_greater;
      back -= !is_greater;
    }
    std::copy_n(spare, last - first, keys + first);
    const std::size_t split = first + front;
    if (split >= kept) {
      last = split;
    } else {
      first = split;
    }
    if (split == kept) break;
  }
  if (first < kept && kept <= last) std::nth_element(keys + first, keys + kept - 1, keys + last, std::greater<>());
}

// Each finds the first group of 64 scores from `from` on that holds one not at or below the threshold: NaN on either
// side counts. Returns where the group starts and sets a bit per score; `size` is a multiple of 64.
std::size_t find_portable(const float* scores, std::size_t from, std::size_t size, float threshold,
                          std::uint64_t& found) {
  for (; from < size; from += kGroup) {
    // Alone, this loop is one that compilers vectorise.
    std::uint32_t above = 0;
    for (std::size_t i = 0; i < kGroup; ++i) above |= static_cast<std::uint32_t>(!(scores[from + i] <= threshold));
    if (above == 0) continue;
    found = 0;
    for (std::size_t i = 0; i < kGroup; ++i) found |= std::uint64_t{!(scores[from + i] <= threshold)} << i;
    return from;
  }
  return size;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) std::size_t find_avx2(const float* scores, std::size_t from, std::size_t size,
                                                      float threshold, std::uint64_t& found) {
  const __m256 limit = _mm256_set1_ps(threshold);
  for (; from < size; from += kGroup) {
    std::uint64_t bits = 0;
    for (int part = 0; part < 8; ++part) {
      const __m256 values = _mm256_loadu_ps(scores + from + 8 * part);
      const int above = _mm256_movemask_ps(_mm256_cmp_ps(values, limit, _CMP_NLE_UQ));
      bits |= static_cast<std::uint64_t>(static_cast<unsigned>(above)) << (8 * part);
    }
    if (bits != 0) {
      found = bits;
      return from;
    }
  }
  return size;
}

__attribute__((target("avx512f"))) std::size_t find_avx512(const float* scores, std::size_t from, std::size_t size,
                                                           float threshold, std::uint64_t& found) {
  const __m512 limit = _mm512_set1_ps(threshold);
  for (; from < size; from += kGroup) {
    std::uint64_t bits = 0;
    for (int part = 0; part < 4; ++part) {
      const __m512 values = _mm512_loadu_ps(scores + from + 16 * part);
      bits |= static_cast<std::uint64_t>(_mm512_cmp_ps_mask(values, limit, _CMP_NLE_UQ)) << (16 * part);
    }
    if (bits != 0) {
      found = bits;
      return from;
    }
  }
  return size;
}
#endif

std::size_t find(Simd simd, const float* scores, std::size_t from, std::size_t size, float threshold,
                 std::uint64_t& found) {
#if defined(__x86_64__)
  if (simd == Simd::avx512) return find_avx512(scores, from, size, threshold, found);
  if (simd == Simd::avx2) return find_avx2(scores, from, size, threshold, found);
#endif
  (void)simd;
  return find_portable(scores, from, size, threshold, found);
}

[[noreturn]] void refuse_seen(std::uint64_t user, const std::string& what) {
  throw Error(Fault::user, "GRAPH074", "the seen items of user row " + std::to_string(user) + " " + what + ".",
              "sort the item rows of each user, and name rows of the item embeddings only.");
}

void check_seen(const SeenItems& seen, std::uint64_t first_user, std::uint64_t num_items) {
  const auto base = seen.offsets[0];
  const auto size = static_cast<std::int64_t>(seen.items.size());
  for (std::size_t user = 0; user + 1 < seen.offsets.size(); ++user) {
    const auto begin = seen.offsets[user] - base;
    const auto end = seen.offsets[user + 1] - base;
    if (begin < 0 || end < begin || end > size) refuse_seen(first_user + user, "have offsets that do not ascend");
    for (auto i = begin; i < end; ++i) {
      const auto item = seen.items[static_cast<std::size_t>(i)];
      if (i > begin && item < seen.items[static_cast<std::size_t>(i - 1)]) {
        refuse_seen(first_user + user, "do not ascend");
      }
      if (item >= num_items) refuse_seen(first_user + user, "name item row " + std::to_string(item));
    }
  }
}

}  // namespace

Simd widest_simd() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return Simd::avx512;
  if (__builtin_cpu_supports("avx2")) return Simd::avx2;
#endif
  return Simd::portable;
}

TopK::TopK(std::size_t num_users, std::size_t k, Simd simd)
    : k_(k),
      capacity_(capacity_for(k)),
      simd_(simd),
      keys_(num_users * capacity_),
      spare_(capacity_),
      counts_(num_users),
      thresholds_(num_users),
      seen_cursor_(num_users) {}

std::size_t TopK::bytes(std::size_t num_users, std::size_t k) noexcept {
  const std::size_t keys = capacity_for(k) * sizeof(std::uint64_t);
  return keys + num_users * (keys + sizeof(std::size_t) + sizeof(float) + sizeof(std::int64_t));
}

void TopK::begin(std::uint64_t first_user, std::size_t num_users, const SeenItems& seen, std::uint64_t num_items) {
  if (!seen.offsets.empty()) check_seen(seen, first_user, num_items);
  first_user_ = first_user;
  num_users_ = num_users;
  seen_ = seen;
  std::fill_n(counts_.begin(), num_users, 0);
  std::fill_n(thresholds_.begin(), num_users, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t user = 0; user < num_users && !seen.offsets.empty(); ++user) {
    seen_cursor_[user] = seen.offsets[user] - seen.offsets[0];
  }
}

bool TopK::is_seen(std::size_t user, std::uint32_t item) {
  if (seen_.offsets.empty()) return false;
  const auto end = seen_.items.begin() + (seen_.offsets[user + 1] - seen_.offsets[0]);
  const auto at = std::lower_bound(seen_.items.begin() + seen_cursor_[user], end, item);
  seen_cursor_[user] = at - seen_.items.begin();
  return at != end && *at == item;
}

void TopK::offer(std::size_t user, float score, std::uint32_t item) {
  // The threshold may have risen since the group was compared.
  if (score <= thresholds_[user] || is_seen(user, item)) return;
  if (std::isnan(score)) [[unlikely]] {
    throw Error(Fault::user, "GRAPH073",
                "the score of user row " + std::to_string(first_user_ + user) + " and item row " +
                    std::to_string(item) + " is NaN.",
                "take NaN and infinite values out of the two embeddings.");
  }
  std::uint64_t* keys = keys_.data() + user * capacity_;
  keys[counts_[user]++] = key_of(score, item);
  if (counts_[user] == capacity_) {
    keep_greatest(keys, capacity_, k_, spare_.data());
    counts_[user] = k_;
    thresholds_[user] = score_of(keys[k_ - 1]);
  }
}

void TopK::push(const float* scores, std::size_t num_items, std::uint32_t first_item, const std::uint32_t* ids) {
  const std::size_t grouped = num_items / kGroup * kGroup;
  const auto item = [&](std::size_t at) { return ids ? ids[at] : first_item + static_cast<std::uint32_t>(at); };
  for (std::size_t user = 0; user < num_users_; ++user, scores += num_items) {
    std::uint64_t found = 0;
    std::size_t at = 0;
    while ((at = find(simd_, scores, at, grouped, thresholds_[user], found)) < grouped) {
      for (; found != 0; found &= found - 1) {
        const std::size_t hit = at + static_cast<std::size_t>(std::countr_zero(found));
        offer(user, scores[hit], item(hit));
      }
      at += kGroup;
    }
    for (at = grouped; at < num_items; ++at) {
      if (!(scores[at] <= thresholds_[user])) offer(user, scores[at], item(at));
    }
  }
}

void TopK::finish(std::int64_t* items, float* scores, std::size_t width) {
  for (std::size_t user = 0; user < num_users_; ++user, items += width, scores += width) {
    std::uint64_t* keys = keys_.data() + user * capacity_;
    const std::size_t kept = std::min(counts_[user], k_);
    std::partial_sort(keys, keys + kept, keys + counts_[user], std::greater<>());
    for (std::size_t i = 0; i < kept; ++i) {
      items[i] = item_of(keys[i]);
      scores[i] = score_of(keys[i]);
    }
    std::fill(items + kept, items + width, -1);
    std::fill(scores + kept, scores + width, -std::numeric_limits<float>::infinity());
  }
}

void normalize_rows(const float* rows, std::size_t num_rows, std::size_t width, float* out) noexcept {
  constexpr std::size_t kLanes = 8;
  for (std::size_t row = 0; row < num_rows; ++row, rows += width, out += width) {
    // Sums in lanes of their own are what the compiler may vectorise without changing a result.
    double lanes[kLanes] = {};
    std::size_t at = 0;
    for (; at + kLanes <= width; at += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        lanes[lane] += static_cast<double>(rows[at + lane]) * static_cast<double>(rows[at + lane]);
      }
    }
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    for (; at < width; ++at) sum += static_cast<double>(rows[at]) * static_cast<double>(rows[at]);
    const double length = std::sqrt(sum);
    for (std::size_t i = 0; i < width; ++i) {
      out[i] = length == 0 ? 0.0f : static_cast<float>(static_cast<double>(rows[i]) / length);
    }
  }
}

}  // namespace weft
