#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "sampler.hpp"
#include "strategy.hpp"

namespace {

std::vector<std::uint32_t> uniform(std::uint32_t count, std::uint32_t fanout, std::uint64_t key) {
  weft::Growing<std::uint32_t> out;
  weft::choose_uniform(count, fanout, weft::Draws(key), out);
  return {out.data(), out.data() + out.size()};
}

std::vector<std::uint32_t> recent(const std::vector<std::int64_t>& ages, std::uint32_t fanout, double half_life,
                                  std::uint64_t key) {
  weft::Growing<std::uint32_t> out;
  const auto age = [&](std::uint32_t position) { return ages[position]; };
  weft::choose_recent(static_cast<std::uint32_t>(ages.size()), fanout, half_life, age, weft::Draws(key), out);
  return {out.data(), out.data() + out.size()};
}

bool are_distinct_descending(const std::vector<std::uint32_t>& positions, std::uint32_t count) {
  return std::is_sorted(positions.begin(), positions.end(), std::greater_equal<>()) &&
         std::set(positions.begin(), positions.end()).size() == positions.size() &&
         (positions.empty() || positions.front() < count);
}

}  // namespace

TEST("draws are the same for a key, and differ between keys") {
  weft::Draws one(7);
  weft::Draws same(7);
  weft::Draws other(8);
  int equal = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto value = one.next();
    EXPECT(value == same.next());
    equal += value == other.next();
  }
  EXPECT(equal == 0);
  EXPECT(weft::Draws(1).next() == 0x910A2DEC89025CC1ull);  // the first number of SplitMix64 from seed 1
}

TEST("uniform takes distinct positions in range, whatever the fanout") {
  for (std::uint32_t count : {0u, 1u, 2u, 10u, 49u, 100u, 5000u}) {
    for (std::uint32_t fanout : {0u, 1u, 3u, 48u, 49u, 200u, weft::kAll}) {
      const auto positions = uniform(count, fanout, count * 31 + fanout);
      EXPECT(positions.size() == std::min(count, fanout));
      EXPECT(are_distinct_descending(positions, count));
    }
  }
}

TEST("both ways of uniform choose alike") {
  // Up to 48 positions are found by looking, more by hashing: chances are those of any other number.
  std::vector<int> counts(60);
  for (std::uint64_t key = 0; key < 6000; ++key) {
    for (const auto position : uniform(60, 50, weft::mix(key))) ++counts[position];
  }
  for (const int count : counts) EXPECT(count > 4800 && count < 5200);  // 5000, nine deviations of 29
}

TEST("recent takes distinct positions, with ages missing, equal or far apart") {
  std::vector<std::int64_t> ages(500);
  for (std::size_t i = 0; i < ages.size(); ++i) ages[i] = static_cast<std::int64_t>((500 - i) / 7);
  std::vector<std::int64_t> missing = ages;
  std::fill(missing.begin(), missing.begin() + 20, -1);
  std::vector<std::int64_t> far = ages;
  std::fill(far.begin(), far.begin() + 499, std::int64_t{1} << 60);
  for (const auto& given : {ages, missing, far, std::vector<std::int64_t>(500, -1)}) {
    for (std::uint32_t fanout : {1u, 10u, 100u, 499u, 500u, 900u}) {
      const auto positions = recent(given, fanout, 10.0, fanout);
      EXPECT(positions.size() == std::min(fanout, 500u));
      EXPECT(are_distinct_descending(positions, 500));
    }
  }
  EXPECT(recent(far, 1, 10.0, 3).front() == 499);
}

TEST("recent halves chances with every half-life") {
  std::vector<std::int64_t> ages(1000);
  for (std::size_t i = 0; i < ages.size(); ++i) ages[i] = static_cast<std::int64_t>(999 - i);
  int newer = 0;
  int older = 0;
  for (std::uint64_t key = 0; key < 40000; ++key) {
    const auto age = ages[recent(ages, 1, 100.0, weft::mix(key)).front()];
    newer += age < 100;
    older += age >= 100 && age < 200;
  }
  EXPECT(newer > 19400 && newer < 20600);  // half of all
  EXPECT(older > 9500 && older < 10500);   // half of the rest
}

TEST("more rows than a batch can number are refused") {
  weft::check_num_rows(0x7FFFFFFF, "events");
  EXPECT_ERROR((weft::check_num_rows(0x80000000, "events"), 0), "GRAPH041");
}

int main() { return check::run_all(); }
