// The body of choose_recent; included by strategy.hpp alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace weft {
namespace recent {

// Weights are kept as logarithms to base 2, relative to the newest, so that no age underflows.
template <class Age>
double log_weight(const Age& age_us, std::uint32_t count, std::uint32_t rank, double half_life_us, double newest_age) {
  const std::int64_t age = age_us(count - 1 - rank);
  return age < 0 ? -std::numeric_limits<double>::infinity()
                 : -(static_cast<double>(age) - newest_age) / half_life_us;
}

// Completes the `kept` positions that were drawn already: what is left is drawn as if they were not there.
template <class Age>
void choose_by_keys(std::uint32_t count, std::uint32_t fanout, double half_life_us, const Age& age_us, Draws draws,
                    std::uint32_t kept, Growing<std::uint32_t>& out) {
  std::uint32_t* chosen = out.grow(fanout);
  std::sort(chosen, chosen + kept, std::greater<>());
  const std::int64_t first = age_us(count - 1);
  const double newest = first < 0 ? 0.0 : static_cast<double>(first);
  std::vector<std::pair<double, std::uint32_t>> keyed;
  keyed.reserve(count);
  double oldest = 0.0;
  for (std::uint32_t rank = 0; rank < count; ++rank) {
    double weight = log_weight(age_us, count, rank, half_life_us, newest);
    if (std::isinf(weight)) weight = oldest;
    oldest = weight;
    // log2 of an exponential variable over its weight: the smallest are drawn first.
    const double waiting = -std::log(1.0 - draws.unit());
    const std::uint32_t position = count - 1 - rank;
    if (std::binary_search(chosen, chosen + kept, position, std::greater<>())) continue;
    keyed.emplace_back(std::log2(std::max(waiting, std::numeric_limits<double>::min())) - weight, position);
  }
  const std::uint32_t wanted = fanout - kept;
  std::nth_element(keyed.begin(), keyed.begin() + (wanted - 1), keyed.end());
  for (std::uint32_t i = 0; i < wanted; ++i) chosen[kept + i] = keyed[i].second;
  std::sort(chosen, chosen + fanout, std::greater<>());
  out.commit(fanout);
}

}  // namespace recent

template <class Age>
void choose_recent(std::uint32_t count, std::uint32_t fanout, double half_life_us, const Age& age_us, Draws draws,
                   Growing<std::uint32_t>& out) {
  if (fanout >= count) {
    choose_uniform(count, fanout, draws, out);
    return;
  }
  constexpr std::uint32_t kSmall = 64;
  if (count <= kSmall || age_us(0) < 0) {
    recent::choose_by_keys(count, fanout, half_life_us, age_us, draws, 0, out);
    return;
  }
  // Block b holds ranks [2^b - 1, 2^(b+1) - 1) from the newest; its first has its greatest weight.
  const double newest = static_cast<double>(age_us(count - 1));
  const auto num_blocks = static_cast<std::uint32_t>(std::bit_width(count));
  double mass[32];
  double bound[32];
  double total = 0.0;
  for (std::uint32_t b = 0; b < num_blocks; ++b) {
    const std::uint32_t first = (std::uint32_t{1} << b) - 1;
    const std::uint32_t end = std::min(count, first * 2 + 1);
    if (first >= count) {
      mass[b] = 0.0;
      continue;
    }
    bound[b] = std::exp2(recent::log_weight(age_us, count, first, half_life_us, newest));
    mass[b] = bound[b] * (end - first);
    total += mass[b];
  }
  std::uint32_t* chosen = out.grow(fanout);
  std::uint32_t kept = 0;
  Draws tries(draws.next());
  for (std::uint32_t attempt = 0; kept < fanout && attempt < 32 * fanout + 64; ++attempt) {
    double at = tries.unit() * total;
    std::uint32_t b = 0;
    while (b + 1 < num_blocks && at >= mass[b]) at -= mass[b++];
    const std::uint32_t first = (std::uint32_t{1} << b) - 1;
    if (first >= count) continue;
    const std::uint32_t end = std::min(count, first * 2 + 1);
    const std::uint32_t rank = first + tries.below(end - first);
    const double weight = std::exp2(recent::log_weight(age_us, count, rank, half_life_us, newest));
    if (tries.unit() * bound[b] >= weight) continue;
    const std::uint32_t position = count - 1 - rank;
    if (!is_among(chosen, kept, position)) chosen[kept++] = position;
  }
  if (kept < fanout) {
    // The number of tries was fixed beforehand, so that stopping here says nothing about the rest.
    recent::choose_by_keys(count, fanout, half_life_us, age_us, draws, kept, out);
    return;
  }
  std::sort(chosen, chosen + fanout, std::greater<>());
  out.commit(fanout);
}

}  // namespace weft
