// Which of a row's visible neighbours are kept.
#pragma once

#include <cstdint>

#include "buffer.hpp"
#include "random.hpp"

namespace weft {

constexpr std::uint32_t kAll = 0xFFFFFFFFu;

enum class Choice : std::uint32_t {
  last = 0,     // the most recent
  uniform = 1,  // any, each with the same chance
  window = 2,   // the most recent of those younger than `span_us` at the anchor
  recent = 3,   // any, with chances that halve with every `span_us` of age
};

struct Strategy {
  Choice choice = Choice::last;
  std::uint32_t fanout = kAll;
  std::int64_t span_us = 0;
};

// Appends `fanout` distinct positions of [0, count) to `out`, descending; all of them when there are no more.
// Every subset has the same chance. O(fanout log fanout) time. After Floyd (Bentley and Floyd, 1987).
void choose_uniform(std::uint32_t count, std::uint32_t fanout, Draws draws, Growing<std::uint32_t>& out);

// Appends `fanout` distinct positions of [0, count), descending, drawn one after the other with chances
// proportional to 2^(-age / half_life) among those left. `age_us(position)` must not grow with the position;
// an age below 0 stands for "none", whose weight is that of the oldest position with an age.
//
// Draws by rejection from blocks whose sizes double from the newest on, O(fanout log count) calls of `age_us`
// as a rule; where a few positions hold all the weight, falls back to keys log(u)/w over all of them
// (Efraimidis and Spirakis, 2006), which has the same distribution.
template <class Age>
void choose_recent(std::uint32_t count, std::uint32_t fanout, double half_life_us, const Age& age_us, Draws draws,
                   Growing<std::uint32_t>& out);

// Says whether `value` is among the first `count` of `values`.
inline bool is_among(const std::uint32_t* values, std::size_t count, std::uint32_t value) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i] == value) return true;
  }
  return false;
}

}  // namespace weft

#include "strategy_recent.hpp"
