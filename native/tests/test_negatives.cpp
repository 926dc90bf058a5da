// Orders by time and negatives, from mapped files, by one thread and many; the oracle for chances is in Python.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "candidates.hpp"
#include "check.hpp"
#include "error.hpp"
#include "negatives.hpp"

namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("weft-negatives-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

weft::MappedFile file(const Folder& folder, const std::string& name, weft::Kind kind,
                      const std::vector<std::uint32_t>& values) {
  const std::string path = (folder.path / name).string();
  weft::FileWriter writer(path, kind, 4);
  writer.append(values.data(), values.size() * 4);
  const std::uint32_t root = writer.finish(false);
  return weft::MappedFile(path, kind, 4, root);
}

// Items without time and events in two segments, whose prepared numbers run against their rows. `unit_us` is
// what a code stands for; every third event has no time.
struct Shop {
  static constexpr std::uint32_t kItems = 300;
  static constexpr std::uint32_t kEvents = 9000;
  Folder folder;
  weft::Graph graph;
  std::vector<std::int64_t> times;     // by row
  std::vector<std::uint32_t> numbers;  // by row
  std::vector<std::uint32_t> parents;  // by row

  explicit Shop(std::int64_t unit_us) {
    graph.tables.resize(2);
    graph.tables[0].name = "items";
    graph.tables[0].num_rows = kItems;
    graph.tables[0].segments.resize(1);
    graph.tables[0].segments[0].num_rows = kItems;
    graph.tables[1].name = "events";
    graph.links.push_back({"link", 1, 0, {}});
    weft::Draws draws(1);
    for (std::uint32_t s = 0; s < 2; ++s) add_events(s, unit_us, draws);
    graph.finish();
  }
  void add_events(std::uint32_t s, std::int64_t unit_us, weft::Draws& draws) {
    constexpr std::uint32_t kHalf = kEvents / 2;
    weft::TableSegment segment;
    segment.first_row = s * kHalf;
    segment.num_rows = kHalf;
    segment.origin_us = 100 + s;
    segment.unit_us = unit_us;
    std::vector<std::uint32_t> codes, sources, to;
    for (std::uint32_t i = 0; i < kHalf; ++i) {
      codes.push_back(i % 3 == 0 ? 0 : draws.below(500));
      sources.push_back(s * kHalf + kHalf - 1 - i);
      to.push_back(draws.below(10) == 0 ? weft::kNone : draws.below(kItems) * draws.below(kItems) / kItems);
      times.push_back(codes[i] == 0 ? weft::kNoTime : segment.origin_us + unit_us * (codes[i] - std::int64_t{1}));
    }
    numbers.insert(numbers.end(), sources.begin(), sources.end());
    parents.insert(parents.end(), to.begin(), to.end());
    const std::string name = std::to_string(s);
    segment.time = file(folder, "time" + name, weft::Kind::time, codes);
    segment.source = file(folder, "source" + name, weft::Kind::source, sources);
    graph.tables[1].segments.push_back(std::move(segment));
    graph.tables[1].num_rows += kHalf;
    weft::LinkSegment edges;
    edges.parent = file(folder, "parent" + name, weft::Kind::parent, to);
    add_children(s, to, edges);
    graph.links[0].segments.push_back(std::move(edges));
  }
  // Children of each item without their times: good enough for counts where every child is visible.
  void add_children(std::uint32_t s, const std::vector<std::uint32_t>& to, weft::LinkSegment& edges) {
    std::vector<std::uint32_t> offsets(kItems + 1), used(kItems);
    for (const std::uint32_t parent : to) {
      if (parent != weft::kNone) ++offsets[parent + 1];
    }
    std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
    std::iota(used.begin(), used.end(), 0u);
    edges.offsets = file(folder, "offsets" + std::to_string(s), weft::Kind::offsets, offsets);
    if (s > 0) edges.parents = file(folder, "parents", weft::Kind::sparse_parent, used);
  }
  std::vector<std::uint32_t> rows_by_time() const {
    std::vector<std::uint32_t> rows(kEvents);
    std::iota(rows.begin(), rows.end(), 0u);
    std::sort(rows.begin(), rows.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(times[a], numbers[a]) < std::pair(times[b], numbers[b]);
    });
    return rows;
  }
};

std::vector<std::uint32_t> drawn(const Shop& shop, weft::NegativeChoice choice, std::uint32_t num,
                                 std::size_t threads, std::int64_t anchor_us) {
  constexpr std::size_t kSeeds = 2000;
  const auto rows = weft::TimeOrder::of_rows(shop.graph, 0, 2);
  const auto parents = weft::TimeOrder::of_parents(shop.graph, 0, 2);
  std::vector<std::int64_t> anchors(kSeeds, anchor_us), offsets(kSeeds + 1);
  std::vector<std::uint64_t> keys(kSeeds);
  std::vector<std::uint32_t> lists;
  weft::Draws draws(3);
  for (std::size_t i = 0; i < kSeeds; ++i) {
    keys[i] = i;
    for (std::uint32_t n = draws.below(40); n > 0; --n) lists.push_back(draws.below(Shop::kItems));
    offsets[i + 1] = static_cast<std::int64_t>(lists.size());
  }
  const weft::RowLists given{offsets, lists};
  std::vector<std::uint32_t> out(kSeeds * num);
  weft::sample_negatives(shop.graph, {choice, 0, 0, &rows, &parents, 5, 6}, {anchors, keys, given, given}, num, threads,
                         out.data());
  for (std::size_t i = 0; i < kSeeds; ++i) {
    std::set<std::uint32_t> seen;
    for (std::size_t k = i * num; k < (i + 1) * num && out[k] != weft::kNone; ++k) {
      EXPECT(out[k] < Shop::kItems);
      EXPECT(seen.insert(out[k]).second);
      EXPECT(std::find(lists.begin() + offsets[i], lists.begin() + offsets[i + 1], out[k]) ==
             lists.begin() + offsets[i + 1]);
    }
  }
  return out;
}

}  // namespace

TEST("an order by time is that of sorting, and a prefix of it is visible") {
  for (const std::int64_t unit : {std::int64_t{1}, std::int64_t{1000}, std::int64_t{1} << 40}) {
    const Shop shop(unit);
    const auto rows = weft::TimeOrder::of_rows(shop.graph, 1, 3);
    const auto parents = weft::TimeOrder::of_parents(shop.graph, 0, 1);
    const auto expected = shop.rows_by_time();
    EXPECT(rows.size() == Shop::kEvents);
    for (std::uint32_t i = 0; i < Shop::kEvents; ++i) {
      EXPECT(rows.at(i) == expected[i]);
      EXPECT(parents.at(i) == shop.parents[expected[i]]);
    }
    for (const std::int64_t anchor : {INT64_MIN + 1, std::int64_t{99}, std::int64_t{100}, std::int64_t{101},
                                      100 + 77 * unit, 101 + 77 * unit, 100 + 499 * unit, INT64_MAX}) {
      const auto count = std::count_if(shop.times.begin(), shop.times.end(), [&](auto t) { return t <= anchor; });
      EXPECT(rows.visible(anchor) == static_cast<std::uint32_t>(count));
      EXPECT(parents.visible(anchor) == static_cast<std::uint32_t>(count));
    }
  }
}

TEST("rows without time and numbers need no memory for their order") {
  const Shop shop(1);
  const auto rows = weft::TimeOrder::of_rows(shop.graph, 0, 1);
  EXPECT(rows.size_bytes() == 0);
  EXPECT(rows.visible(INT64_MIN + 1) == Shop::kItems);
  EXPECT(rows.at(17) == 17);
}

TEST("negatives are distinct, not excluded, and the same for any number of threads") {
  const Shop shop(1);
  for (const auto choice :
       {weft::NegativeChoice::uniform, weft::NegativeChoice::popularity, weft::NegativeChoice::in_batch}) {
    for (const std::uint32_t num : {1u, 10u, 200u, 400u}) {
      const auto one = drawn(shop, choice, num, 1, 1000);
      EXPECT(one == drawn(shop, choice, num, 4, 1000));
      EXPECT(std::count(one.begin(), one.end(), weft::kNone) < static_cast<std::ptrdiff_t>(one.size()));
    }
  }
}

TEST("nothing to draw from leaves rows empty") {
  const Shop shop(1);
  // Without time, a third of the events is visible long before the first.
  EXPECT(drawn(shop, weft::NegativeChoice::popularity, 3, 1, 0).front() != weft::kNone);
  weft::sample_negatives(shop.graph, {}, {}, 0, 1, nullptr);
}

TEST("a set of rows answers alike in any order, asked often or not") {
  std::vector<std::uint32_t> rows;
  weft::Draws draws(9);
  for (int i = 0; i < 500; ++i) rows.push_back(draws.below(1000));
  std::vector<std::uint32_t> sorted = rows;
  std::sort(sorted.begin(), sorted.end());
  weft::RowSet one, other, few;
  one.start(rows);
  other.start(sorted);
  few.start(std::span(rows).first(3));
  for (std::uint32_t row = 0; row < 1000; ++row) {
    const bool expected = std::binary_search(sorted.begin(), sorted.end(), row);
    EXPECT(one.has(row) == expected);
    EXPECT(other.has(row) == expected);
    EXPECT(few.has(row) == (row == rows[0] || row == rows[1] || row == rows[2]));
  }
}

TEST("the shortest to wait are kept in order, however many are offered") {
  for (const std::uint32_t wanted : {1u, 7u, 3000u, 20000u}) {
    weft::Waiting forward, backward;
    forward.start(4, wanted);
    backward.start(4, wanted);
    for (std::uint32_t i = 0; i < 10000; ++i) forward.add(i, i, 1.0 + i % 5);
    for (std::uint32_t i = 10000; i-- > 0;) backward.add(i, i, 1.0 + i % 5);
    std::vector<std::uint32_t> one, other;
    forward.finish([&](std::uint32_t row) { one.push_back(row); });
    backward.finish([&](std::uint32_t row) { other.push_back(row); });
    EXPECT(one == other);
    EXPECT(one.size() == std::min(wanted, 10000u));
    EXPECT(std::set(one.begin(), one.end()).size() == one.size());
  }
}

TEST("a file that numbers rows beyond its table is refused") {
  Shop shop(1);
  std::vector<std::uint32_t> sources(Shop::kEvents / 2, Shop::kEvents);
  shop.graph.tables[1].segments[1].source = file(shop.folder, "wrong", weft::Kind::source, sources);
  EXPECT_ERROR((weft::TimeOrder::of_rows(shop.graph, 1, 2), 0), "GRAPH006");
}

int main() { return check::run_all(); }
