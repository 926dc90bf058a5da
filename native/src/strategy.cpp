#include "strategy.hpp"

#include <algorithm>
#include <functional>
#include <unordered_set>

namespace weft {
namespace {

// Up to this many, looking through an array is faster than hashing.
constexpr std::uint32_t kFew = 48;

}  // namespace

void choose_uniform(std::uint32_t count, std::uint32_t fanout, Draws draws, Growing<std::uint32_t>& out) {
  if (fanout >= count) {
    std::uint32_t* all = out.grow(count);
    for (std::uint32_t i = 0; i < count; ++i) all[i] = count - 1 - i;
    out.commit(count);
    return;
  }
  std::uint32_t* chosen = out.grow(fanout);
  if (fanout <= kFew) {
    for (std::uint32_t i = 0; i < fanout; ++i) {
      const std::uint32_t top = count - fanout + i;
      const std::uint32_t drawn = draws.below(top + 1);
      const std::uint32_t value = is_among(chosen, i, drawn) ? top : drawn;
      // Insertion keeps the positions descending while they are few.
      std::uint32_t at = i;
      while (at > 0 && chosen[at - 1] < value) {
        chosen[at] = chosen[at - 1];
        --at;
      }
      chosen[at] = value;
    }
  } else {
    std::unordered_set<std::uint32_t> seen;
    seen.reserve(fanout);
    for (std::uint32_t i = 0; i < fanout; ++i) {
      const std::uint32_t top = count - fanout + i;
      const std::uint32_t drawn = draws.below(top + 1);
      chosen[i] = seen.insert(drawn).second ? drawn : top;
      if (chosen[i] == top) seen.insert(top);
    }
    std::sort(chosen, chosen + fanout, std::greater<>());
  }
  out.commit(fanout);
}

}  // namespace weft
