#include "topk.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "check.hpp"
#include "error.hpp"

using weft::SeenItems;
using weft::Simd;
using weft::TopK;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

// The widths this processor can run.
std::vector<Simd> widths() {
  std::vector<Simd> all{Simd::portable};
  if (weft::widest_simd() >= Simd::avx2) all.push_back(Simd::avx2);
  if (weft::widest_simd() >= Simd::avx512) all.push_back(Simd::avx512);
  return all;
}

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

struct Scores {
  std::size_t users;
  std::size_t items;
  std::vector<float> values;

  // Few distinct values, so that ties are everywhere.
  Scores(std::size_t num_users, std::size_t num_items, std::uint64_t seed, int distinct)
      : users(num_users), items(num_items), values(num_users * num_items) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(static_cast<int>(mix(seed * 1000003 + i) % distinct) - distinct / 2);
    }
  }
  float at(std::size_t user, std::size_t item) const { return values[user * items + item]; }
};

struct Result {
  std::vector<std::int64_t> items;
  std::vector<float> scores;
  bool operator==(const Result&) const = default;
};

// What sorting all scores gives.
Result by_sorting(const Scores& scores, std::size_t k, const std::vector<std::vector<std::uint32_t>>& seen) {
  Result result;
  for (std::size_t user = 0; user < scores.users; ++user) {
    std::vector<std::uint32_t> order;
    for (std::uint32_t item = 0; item < scores.items; ++item) {
      if (!std::ranges::binary_search(seen[user], item)) order.push_back(item);
    }
    std::ranges::stable_sort(order, [&](auto a, auto b) { return scores.at(user, a) > scores.at(user, b); });
    for (std::size_t i = 0; i < k; ++i) {
      result.items.push_back(i < order.size() ? order[i] : -1);
      result.scores.push_back(i < order.size() ? scores.at(user, order[i]) : -kInfinity);
    }
  }
  return result;
}

Result by_tiles(TopK& top, const Scores& scores, std::size_t k, std::size_t width, const SeenItems& seen) {
  top.begin(0, scores.users, seen, scores.items);
  for (std::size_t first = 0; first < scores.items; first += width) {
    const std::size_t count = std::min(width, scores.items - first);
    std::vector<float> tile;
    std::vector<std::uint32_t> ids(count);
    for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::uint32_t>(first + i);
    for (std::size_t user = 0; user < scores.users; ++user) {
      for (std::size_t i = 0; i < count; ++i) tile.push_back(scores.at(user, first + i));
    }
    const bool is_named = first / width % 2 == 1;
    top.push(tile.data(), count, static_cast<std::uint32_t>(first), is_named ? ids.data() : nullptr);
  }
  Result result{std::vector<std::int64_t>(scores.users * k), std::vector<float>(scores.users * k)};
  top.finish(result.items.data(), result.scores.data(), k);
  return result;
}

struct Csr {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::uint32_t> items;
  explicit Csr(const std::vector<std::vector<std::uint32_t>>& lists) {
    for (const auto& list : lists) {
      items.insert(items.end(), list.begin(), list.end());
      offsets.push_back(static_cast<std::int64_t>(items.size()));
    }
  }
  SeenItems view() const { return {offsets, items}; }
};

}  // namespace

TEST("every width of instructions and tile agrees with sorting, ties and seen items included") {
  for (const Simd simd : widths()) {
    for (const std::size_t k : {1u, 3u, 64u, 200u}) {
      TopK top(7, k, simd);
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        const Scores scores(7, 1000, seed, seed % 2 ? 9 : 100000);
        std::vector<std::vector<std::uint32_t>> seen(7);
        for (std::size_t user = 0; user < 7; ++user) {
          for (std::uint32_t item = 0; item < 1000; ++item) {
            if (mix(seed + user * 7919 + item) % 11 < user) seen[user].push_back(item);
          }
        }
        const Csr csr(seen);
        const Result wanted = by_sorting(scores, k, seen);
        for (const std::size_t width : {1u, 63u, 64u, 130u, 1000u}) {
          EXPECT(by_tiles(top, scores, k, width, csr.view()) == wanted);
        }
      }
    }
  }
}

TEST("rising, falling and equal scores are selected as sorting does") {
  for (const Simd simd : widths()) {
    for (const int slope : {-1, 0, 1}) {
      Scores scores(2, 5000, 0, 2);
      for (std::size_t i = 0; i < scores.values.size(); ++i) {
        scores.values[i] = static_cast<float>(slope * static_cast<int>(i % 5000));
      }
      TopK top(2, 100, simd);
      EXPECT(by_tiles(top, scores, 100, 512, {}) == by_sorting(scores, 100, {{}, {}}));
    }
  }
}

TEST("fewer items than k are padded, and minus infinity is a score") {
  for (const Simd simd : widths()) {
    TopK top(1, 4, simd);
    const float scores[] = {-kInfinity, 2.0f, kInfinity};
    top.begin(0, 1, {}, 3);
    top.push(scores, 3, 0, nullptr);
    std::int64_t items[6];
    float best[6];
    top.finish(items, best, 6);
    EXPECT((std::vector<std::int64_t>(items, items + 6) == std::vector<std::int64_t>{2, 1, 0, -1, -1, -1}));
    EXPECT(best[2] == -kInfinity && best[3] == -kInfinity && best[5] == -kInfinity);
  }
}

TEST("minus zero equals zero, and comes out as zero") {
  TopK top(1, 2);
  const float scores[] = {-0.0f, 0.0f, -0.0f};
  top.begin(0, 1, {}, 3);
  top.push(scores, 3, 0, nullptr);
  std::int64_t items[2];
  float best[2];
  top.finish(items, best, 2);
  EXPECT(items[0] == 0 && items[1] == 1);
  EXPECT(!std::signbit(best[0]) && !std::signbit(best[1]));
}

TEST("NaN is refused wherever it stands, unless the item was seen") {
  for (const Simd simd : widths()) {
    for (const std::size_t at : {0u, 70u, 299u}) {
      Scores scores(3, 300, 1, 1000);
      scores.values[2 * 300 + at] = kNaN;
      TopK top(3, 5, simd);
      EXPECT_ERROR(by_tiles(top, scores, 5, 300, {}), "GRAPH073");
      const Csr seen({{}, {}, {static_cast<std::uint32_t>(at)}});
      const Result found = by_tiles(top, scores, 5, 300, seen.view());
      EXPECT(std::ranges::count(found.items, static_cast<std::int64_t>(-1)) == 0);
    }
  }
}

TEST("seen items out of order or range are refused") {
  TopK top(2, 1);
  const std::vector<std::int64_t> offsets{0, 2, 3};
  const auto begin = [&](std::vector<std::uint32_t> items, std::vector<std::int64_t> where) {
    top.begin(0, 2, {where, items}, 10);
  };
  EXPECT_ERROR((begin({2, 1, 0}, offsets), 0), "GRAPH074");
  EXPECT_ERROR((begin({1, 2, 10}, offsets), 0), "GRAPH074");
  EXPECT_ERROR((begin({1, 2, 3}, {0, 4, 3}), 0), "GRAPH074");
  EXPECT_ERROR((begin({1, 2, 3}, {0, 2, 9}), 0), "GRAPH074");
  begin({1, 1, 9}, offsets);
}

TEST("selections of several threads do not meet") {
  const Scores scores(4, 3000, 5, 100000);
  const Result wanted = by_sorting(scores, 50, std::vector<std::vector<std::uint32_t>>(4));
  std::vector<Result> found(4);
  std::vector<std::thread> threads;
  for (auto& result : found) {
    threads.emplace_back([&] {
      TopK top(4, 50);
      result = by_tiles(top, scores, 50, 512, {});
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : found) EXPECT(result == wanted);
}

TEST("rows are divided by their lengths, in place too, and zeros stay") {
  std::vector<float> rows{3, 4, 0, 0, 1e30f, 1e30f};
  weft::normalize_rows(rows.data(), 3, 2, rows.data());
  EXPECT((rows[0] == 0.6f && rows[1] == 0.8f && rows[2] == 0 && rows[3] == 0));
  EXPECT(std::abs(rows[4] - std::sqrt(0.5f)) < 1e-6f);
  std::vector<float> wide(19, 2.0f);
  std::vector<float> out(19);
  weft::normalize_rows(wide.data(), 1, 19, out.data());
  EXPECT(std::abs(out[18] - 1 / std::sqrt(19.0f)) < 1e-6f);
}

int main() { return check::run_all(); }
