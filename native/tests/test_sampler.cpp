// Sampling from mapped files, by one thread and by many at once; the oracle for what is drawn is in Python.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "format.hpp"
#include "lockstep.hpp"
#include "random.hpp"
#include "sampler.hpp"

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kUsers = 200;
constexpr std::uint32_t kItems = 40;
constexpr std::uint32_t kEvents = 5000;
constexpr std::int64_t kOrigin = 1000;
constexpr std::int64_t kUnit = 7;

struct Folder {
  fs::path path = fs::temp_directory_path() / ("weft-sampler-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

template <class T>
weft::MappedFile file(const Folder& folder, const std::string& name, weft::Kind kind, std::size_t item_bytes,
                      const std::vector<T>& values) {
  const std::string path = (folder.path / name).string();
  weft::FileWriter writer(path, kind, item_bytes);
  writer.append(values.data(), values.size() * sizeof(T));
  const std::uint32_t root = writer.finish(false);
  return weft::MappedFile(path, kind, item_bytes, root);
}

weft::Table table(const Folder& folder, const std::string& name, std::uint32_t num_rows) {
  weft::Table out;
  out.name = name;
  out.num_rows = num_rows;
  out.stride = 8;
  out.sections = {{0, 4}, {4, 4}};
  out.null_row.assign(8, std::byte{0xFF});
  std::vector<std::uint32_t> rows(num_rows * 2);
  for (std::uint32_t i = 0; i < num_rows; ++i) rows[2 * i] = rows[2 * i + 1] = i;
  out.segments.resize(1);
  out.segments[0].num_rows = num_rows;
  out.segments[0].rows = file(folder, name + "-rows", weft::Kind::rows, 8, rows);
  return out;
}

// Events ordered by (user, time); the children of items in an array of their own. Times are rounded down to
// codes, so that `low` decides ties.
struct Shop {
  Folder folder;
  weft::Graph graph;
  std::vector<std::int64_t> times;
  std::vector<std::uint32_t> users, items;

  Shop() {
    weft::Draws draws(1);
    struct Event {
      std::uint32_t user, item;
      std::int64_t time;
    };
    std::vector<Event> events(kEvents);
    for (Event& event : events) {
      // Squares make some users and items much busier than others.
      event = {draws.below(kUsers) * draws.below(kUsers) / kUsers, draws.below(kItems) * draws.below(kItems) / kItems,
               kOrigin + draws.below(900)};
    }
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      return std::pair(a.user, a.time) < std::pair(b.user, b.time);
    });
    std::vector<std::uint32_t> codes, lows;
    for (const Event& event : events) {
      users.push_back(event.user);
      items.push_back(event.item);
      times.push_back(event.time);
      codes.push_back(static_cast<std::uint32_t>((event.time - kOrigin) / kUnit + 1));
      lows.push_back(static_cast<std::uint32_t>((event.time - kOrigin) % kUnit));
    }
    graph.tables.push_back(table(folder, "users", kUsers));
    graph.tables.push_back(table(folder, "items", kItems));
    graph.tables.push_back(table(folder, "events", kEvents));
    weft::TableSegment& rows = graph.tables[2].segments[0];
    rows.origin_us = kOrigin;
    rows.unit_us = kUnit;
    rows.time = file(folder, "time", weft::Kind::time, 4, codes);
    rows.low = file(folder, "low", weft::Kind::low, 4, lows);
    add_link("user", users, kUsers, 0, codes, false);
    add_link("item", items, kItems, 1, codes, true);
    graph.finish();
  }

  void add_link(const std::string& name, const std::vector<std::uint32_t>& parent, std::uint32_t num_parents,
                std::uint32_t table_index, const std::vector<std::uint32_t>& codes, bool lists) {
    std::vector<std::uint32_t> order(kEvents);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(parent[a], times[a]) < std::pair(parent[b], times[b]);
    });
    std::vector<std::uint32_t> offsets(num_parents + 1);
    for (const std::uint32_t p : parent) ++offsets[p + 1];
    std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
    weft::Link link{name, 2, table_index, {}};
    link.segments.resize(1);
    link.segments[0].parent = file(folder, name + "-parent", weft::Kind::parent, 4, parent);
    link.segments[0].offsets = file(folder, name + "-offsets", weft::Kind::offsets, 4, offsets);
    if (lists) {
      std::vector<std::uint32_t> children;
      for (const std::uint32_t row : order) {
        children.push_back(row);
        children.push_back(codes[row]);
      }
      link.segments[0].children = file(folder, name + "-children", weft::Kind::children, 8, children);
    }
    graph.links.push_back(std::move(link));
  }
};

weft::Plan make_plan(weft::Choice choice, bool is_shared) {
  weft::Plan plan;
  const weft::Strategy strategy{choice, 4, 300};
  for (int hop = 0; hop < 3; ++hop) {
    plan.hops.push_back({{0, true, strategy}, {1, true, strategy}, {0, false, strategy}, {1, false, strategy}});
  }
  plan.is_crossed.assign(3, 0);
  plan.is_gathered.assign(3, 1);
  plan.is_shared = is_shared;
  plan.seed = 5;
  return plan;
}

struct SeedArrays {
  std::vector<std::uint32_t> rows;
  std::vector<std::int64_t> anchors;
  weft::Seeds view() const {
    weft::Seeds seeds;
    seeds.rows = rows;
    seeds.anchors_us = anchors;
    return seeds;
  }
};

SeedArrays make_seeds(std::size_t count) {
  SeedArrays out;
  weft::Draws draws(2);
  for (std::size_t i = 0; i < count; ++i) {
    out.rows.push_back(draws.below(kUsers));
    out.anchors.push_back(kOrigin + 10 * draws.below(90));
  }
  return out;
}

template <class T>
bool are_equal(const weft::Buffer<T>& a, const weft::Buffer<T>& b) {
  return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

bool are_equal(const weft::Sample& a, const weft::Sample& b) {
  bool equal = are_equal(a.seeds, b.seeds) && a.tables.size() == b.tables.size() && a.edges.size() == b.edges.size();
  for (std::size_t t = 0; equal && t < a.tables.size(); ++t) {
    equal = are_equal(a.tables[t].rows, b.tables[t].rows) && are_equal(a.tables[t].scopes, b.tables[t].scopes) &&
            are_equal(a.tables[t].age_us, b.tables[t].age_us) && a.tables[t].per_hop == b.tables[t].per_hop;
  }
  for (std::size_t k = 0; equal && k < a.edges.size(); ++k) {
    equal = are_equal(a.edges[k].source, b.edges[k].source) && are_equal(a.edges[k].target, b.edges[k].target);
  }
  return equal;
}

constexpr weft::Choice kChoices[] = {weft::Choice::last, weft::Choice::uniform, weft::Choice::window,
                                     weft::Choice::recent};

}  // namespace

TEST("any number of threads draws the same, and nothing later than the anchor") {
  const Shop shop;
  const SeedArrays seeds = make_seeds(700);
  for (const weft::Choice choice : kChoices) {
    for (const bool is_shared : {false, true}) {
      const weft::Plan plan = make_plan(choice, is_shared);
      const weft::Sample one = weft::sample(shop.graph, plan, seeds.view(), 1);
      EXPECT(are_equal(one, weft::sample(shop.graph, plan, seeds.view(), 4)));
      const weft::TableSample& events = one.tables[2];
      EXPECT(events.rows.size() > 1000);
      for (std::size_t i = 0; i < events.rows.size(); ++i) {
        const std::int64_t anchor = one.scope_anchors_us[static_cast<std::size_t>(events.scopes[i])];
        EXPECT(events.age_us[i] >= 0 && events.age_us[i] == anchor - shop.times[events.rows[i]]);
        std::uint32_t value;
        std::memcpy(&value, events.sections[1].data() + 4 * i, 4);
        EXPECT(value == events.rows[i]);
      }
    }
  }
}

TEST("many threads share a graph whose blocks nobody has checked yet") {
  const Shop shop;
  const SeedArrays seeds = make_seeds(300);
  const weft::Plan plan = make_plan(weft::Choice::uniform, false);
  std::vector<weft::Sample> found(6);
  std::vector<std::thread> threads;
  for (weft::Sample& one : found) {
    threads.emplace_back([&] { one = weft::sample(shop.graph, plan, seeds.view(), 2); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const weft::Sample& one : found) EXPECT(are_equal(one, found[0]));
}

TEST("a damaged block ends the call, on whichever thread it is met") {
  Shop shop;
  {
    const fs::path path = shop.folder.path / "item-children";
    std::FILE* out = std::fopen(path.c_str(), "r+b");
    std::fseek(out, 4096 + 20001, SEEK_SET);
    std::fputc(0xAB, out);
    std::fclose(out);
  }
  const SeedArrays seeds = make_seeds(700);
  EXPECT_ERROR(weft::sample(shop.graph, make_plan(weft::Choice::last, false), seeds.view(), 4), "GRAPH004");
}

TEST("a sampling that asks step by step equals the one that looks itself") {
  const Shop shop;
  const SeedArrays seeds = make_seeds(150);
  for (const weft::Choice choice : kChoices) {
    weft::Plan plan = make_plan(choice, false);
    plan.is_crossed[2] = 1;
    const weft::Sample local = weft::sample(shop.graph, plan, seeds.view(), 1);
    weft::Lockstep work(shop.graph, plan, seeds.view());
    const std::vector<std::int64_t> times(seeds.rows.size(), weft::kNoTime);
    const std::vector<std::uint64_t> sources(seeds.rows.begin(), seeds.rows.end());
    work.plant(times, sources);
    while (work.next()) {
      const auto asks = work.asks();
      std::vector<std::int64_t> anchors;
      for (const weft::Ask& ask : asks) anchors.push_back(work.anchor_us(ask.scope));
      std::vector<weft::Ask> numbered(asks.begin(), asks.end());
      for (std::size_t i = 0; i < numbered.size(); ++i) numbered[i].scope = static_cast<std::uint32_t>(i);
      const weft::Scopes scopes(shop.graph, anchors);
      weft::Reached reached;
      weft::expand(shop.graph, work.stage().step, numbered, scopes, {}, 0, reached);
      work.take({reached.count.data(), reached.count.size()}, {reached.row.data(), reached.row.size()},
                {reached.time_us.data(), reached.time_us.size()});
    }
    EXPECT(are_equal(work.finish(), local));
  }
}

TEST("answers that do not add up are refused") {
  const Shop shop;
  const SeedArrays seeds = make_seeds(3);
  weft::Lockstep work(shop.graph, make_plan(weft::Choice::last, false), seeds.view());
  work.plant(std::vector<std::int64_t>(3, weft::kNoTime), std::vector<std::uint64_t>(3, 0));
  EXPECT(work.next());
  const std::vector<std::uint32_t> counts(work.asks().size(), 1);
  EXPECT_ERROR((work.take(counts, {}, {}), 0), "GRAPH084");
}

TEST("rows that a table lacks are refused") {
  const Shop shop;
  SeedArrays seeds = make_seeds(3);
  seeds.rows[1] = kUsers;
  EXPECT_ERROR(weft::sample(shop.graph, make_plan(weft::Choice::last, false), seeds.view(), 1), "GRAPH040");
}

int main() { return check::run_all(); }
