#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "arrow.hpp"
#include "build_kit.hpp"
#include "check.hpp"
#include "dictionary.hpp"
#include "keyfiles.hpp"
#include "error.hpp"
#include "groups.hpp"
#include "stablesort.hpp"
#include "times.hpp"

using kit::read;
using kit::Texts;
using kit::write;

namespace {

weft::Column column_of(const std::vector<std::int64_t>& values, const std::vector<std::uint8_t>* validity = nullptr) {
  return kit::column_of(weft::ColumnType::integer, values, validity);
}

struct Collected final : weft::GroupSink {
  std::vector<std::uint32_t> all_ends, values, codes, lows, groups;
  void ends(const std::uint32_t* ends, std::uint64_t count) override {
    all_ends.insert(all_ends.end(), ends, ends + count);
  }
  void items(const std::uint32_t* v, const std::uint32_t* c, const std::uint32_t* l, const std::uint32_t* g,
             std::uint64_t count) override {
    values.insert(values.end(), v, v + count);
    codes.insert(codes.end(), c, c + count);
    if (l != nullptr) lows.insert(lows.end(), l, l + count);
    groups.insert(groups.end(), g, g + count);
  }
};

}  // namespace

TEST("a scratch file that is too short or gone is refused") {
  const kit::Folder folder("weft-build-");
  write<std::uint32_t>(folder.file("a"), {1, 2, 3});
  std::vector<std::uint32_t> items(4);
  EXPECT_ERROR(weft::ScratchReader(folder.file("a"), 4).read(items.data(), 4), "GRAPH026");
  EXPECT_ERROR(weft::ScratchReader(folder.file("missing"), 4), "GRAPH026");
  EXPECT_ERROR(weft::ScratchWriter(folder.file("no/such/folder")), "GRAPH010");
}

TEST("a stable sort of any size and any times is std::stable_sort") {
  std::mt19937_64 random(5);
  std::vector<weft::PlainItem> spare;
  std::vector<weft::LowItem> low_spare;
  for (std::size_t size : {0u, 1u, 2u, 17u, 24u, 25u, 33u, 256u, 257u, 1000u, 5000u}) {
    for (std::uint32_t range : {1u, 3u, 1000u, 0xFFFFFFFFu}) {
      std::vector<weft::PlainItem> items;
      std::vector<weft::LowItem> low_items;
      for (std::uint32_t i = 0; i < size; ++i) {
        const auto code = static_cast<std::uint32_t>(random() % range);
        const auto low = static_cast<std::uint32_t>(random() % range);
        items.push_back(weft::PlainItem::make(code, 0, i));
        low_items.push_back(weft::LowItem::make(code % 2, low, i));
      }
      const auto by_time = [](const auto& a, const auto& b) { return a.time() < b.time(); };
      auto wanted = items;
      auto low_wanted = low_items;
      std::stable_sort(wanted.begin(), wanted.end(), by_time);
      std::stable_sort(low_wanted.begin(), low_wanted.end(), by_time);
      weft::stable_sort_by_time(items.data(), items.size(), spare);
      weft::stable_sort_by_time(low_items.data(), low_items.size(), low_spare);
      bool same = true;
      for (std::size_t i = 0; i < size; ++i) {
        same = same && items[i].bits == wanted[i].bits && low_items[i].value() == low_wanted[i].value();
      }
      EXPECT(same);
    }
  }
}

TEST("groups are in order, whatever memory and threads there are") {
  const kit::Folder folder("weft-build-");
  std::mt19937_64 random(7);
  constexpr std::uint32_t kGroups = 300;
  const std::uint32_t count = 200000;
  std::vector<std::uint32_t> parents, codes, lows;
  for (std::uint32_t i = 0; i < count; ++i) {
    const double u = static_cast<double>(random() % 100000) / 100000;
    parents.push_back(random() % 20 == 0 ? weft::kNone : static_cast<std::uint32_t>(kGroups * u * u * u));
    codes.push_back(static_cast<std::uint32_t>(random() % 500));
    lows.push_back(static_cast<std::uint32_t>(random() % 3));
  }
  write(folder.file("parents"), parents);
  write(folder.file("codes"), codes);
  write(folder.file("lows"), lows);
  std::vector<std::uint32_t> wanted(count);
  std::iota(wanted.begin(), wanted.end(), 0u);
  const auto key = [&](std::uint32_t i) {
    return std::tuple(std::uint64_t{parents[i]}, codes[i], lows[i], i);
  };
  std::sort(wanted.begin(), wanted.end(), [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  for (std::uint64_t budget : {std::uint64_t{1}, std::uint64_t{50000}, std::uint64_t{1} << 30}) {
    for (unsigned threads : {1u, 4u}) {
      weft::GroupTask task;
      task.parents = folder.file("parents");
      task.codes = folder.file("codes");
      task.lows = folder.file("lows");
      task.count = count;
      task.num_groups = kGroups;
      task.keep_orphans = true;
      task.scratch = folder.file("sort");
      task.budget = budget < 1000 ? 20000 : budget;
      task.threads = threads;
      Collected found;
      weft::sort_groups(task, found);
      EXPECT(found.values == wanted);
      EXPECT(found.all_ends.size() == kGroups);
      EXPECT(found.all_ends.back() == count - std::count(parents.begin(), parents.end(), weft::kNone));
      EXPECT(found.groups.back() == kGroups);
    }
  }
}

TEST("times become codes that give them back, in the unit that serves") {
  const kit::Folder folder("weft-build-");
  constexpr std::int64_t kSecond = 1000000;
  const std::vector<std::vector<std::int64_t>> cases = {
      {},
      {5},
      {-7 * kSecond, 3 * kSecond, 100 * kSecond},
      {0, 1, 4000000000},
      {0, 1, 4294967294},
      {0, 1, 4294967295},
      {-9000000000000000000, 9000000000000000000, 1},
      {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min() + 1},
  };
  for (const auto& times : cases) {
    weft::TimeSpill spill(folder.file("times"));
    std::vector<std::int64_t> values = times;
    values.push_back(99);  // null
    std::vector<std::uint8_t> validity(values.size() / 8 + 1, 0xFF);
    validity[times.size() / 8] = static_cast<std::uint8_t>(validity[times.size() / 8] & ~(1 << times.size() % 8));
    spill.add(column_of(values, &validity));
    const weft::TimePlan plan = spill.finish();
    EXPECT(plan.has_times == !times.empty());
    if (times.empty()) continue;
    weft::encode_times(folder.file("times"), values.size(), plan, folder.file("codes"), folder.file("lows"));
    const auto codes = read<std::uint32_t>(folder.file("codes"));
    const auto lows = plan.has_low ? read<std::uint32_t>(folder.file("lows")) : std::vector<std::uint32_t>(values.size());
    EXPECT(codes.back() == 0);
    for (std::size_t i = 0; i < times.size(); ++i) {
      EXPECT(codes[i] > 0);
      EXPECT(lows[i] < plan.unit);
      const auto back = static_cast<std::uint64_t>(plan.origin) + plan.unit * (std::uint64_t{codes[i]} - 1) + lows[i];
      EXPECT(static_cast<std::int64_t>(back) == times[i]);
    }
  }
}

TEST("a dictionary numbers values by first appearance and refuses too many") {
  const Texts texts({"b", "a", "b", "", "c", "a", ""});
  weft::Dictionary dictionary(true);
  std::vector<std::int32_t> codes;
  for (int i = 0; i < 7; ++i) codes.push_back(dictionary.code(texts.column(), i));
  EXPECT(codes == (std::vector<std::int32_t>{0, 1, 0, 2, 3, 1, 2}));
  weft::Dictionary small(true, nullptr, 3);
  for (int i = 0; i < 4; ++i) small.code(texts.column(), i);
  EXPECT_ERROR(small.code(texts.column(), 4), "GRAPH029");
}

TEST("a dictionary that goes on from a stored one keeps its codes and holds the new values alone") {
  const kit::Folder folder("weft-build-");
  const std::vector<std::int64_t> stored = {40, std::int64_t{1} << 62, -1};
  weft::KeySpill spill(folder.file("keys"), true);
  spill.add(weft::KeyReader(kit::batch_of({kit::column_of(weft::ColumnType::integer, stored)}), {0}));
  const weft::KeySource source{folder.file("keys"), folder.file("keys.rows"), spill.finish(), 1 << 16, "t"};
  std::vector<weft::KeyFiles> segments(1);
  segments[0].kind = weft::StoredKeys::integer;
  segments[0].num_rows = stored.size();
  const auto slots = weft::write_key_slots(source, weft::StoredKeys::integer, folder.file("slots"));
  segments[0].slots = std::make_unique<weft::MappedFile>(folder.file("slots"), weft::Kind::key_slots, 8, slots);
  const auto values = weft::write_key_values(source, weft::StoredKeys::integer, folder.file("values"));
  segments[0].values = std::make_unique<weft::MappedFile>(folder.file("values"), weft::Kind::key_values, 8, values);
  const auto known = weft::map_index(std::move(segments));

  const std::vector<std::int64_t> asked = {7, -1, 40, 7, 8, std::int64_t{1} << 62};
  const weft::Column column = kit::column_of(weft::ColumnType::integer, asked);
  weft::Dictionary dictionary(false, known.get());
  std::vector<std::int32_t> codes;
  for (std::size_t i = 0; i < asked.size(); ++i) codes.push_back(dictionary.code(column, static_cast<std::int64_t>(i)));
  EXPECT(codes == (std::vector<std::int32_t>{3, 2, 0, 3, 4, 1}));
  EXPECT(dictionary.size() == 2);
  weft::Dictionary full(false, known.get(), 4);
  full.code(column, 0);
  EXPECT_ERROR(full.code(column, 4), "GRAPH029");
}

TEST("first rows found in many passes are those of one") {
  const kit::Folder folder("weft-build-");
  std::mt19937_64 random(11);
  std::vector<std::string> values;
  for (int i = 0; i < 5000; ++i) values.push_back("value " + std::to_string(random() % 1500));
  const Texts texts(values);
  std::map<std::string, std::uint32_t> first;
  std::vector<std::uint32_t> wanted;
  for (std::uint32_t i = 0; i < values.size(); ++i) wanted.push_back(first.emplace(values[i], i).first->second);
  for (std::uint64_t budget : {std::uint64_t{2000}, std::uint64_t{1} << 30}) {
    std::string before;
    std::uint64_t least = 0;
    int passes = 0;
    do {
      const std::string out = folder.file(passes % 2 == 0 ? "even" : "odd");
      weft::FirstRows rows(least, before, out, budget);
      rows.add(texts.column());
      least = rows.finish();
      before = out;
      ++passes;
    } while (least != 0);
    EXPECT(read<std::uint32_t>(before) == wanted);
    EXPECT((passes > 1) == (budget == 2000));
    EXPECT(weft::number_first_rows(before, values.size(), folder.file("numbers")) == first.size());
  }
}

int main() { return check::run_all(); }
