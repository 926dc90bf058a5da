// Edges and rows: put in order of rows, packed by threads, in any budget.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "build_kit.hpp"
#include "check.hpp"
#include "edges.hpp"
#include "error.hpp"
#include "pack.hpp"

using kit::Folder;
using weft::ColumnType;
using weft::kNone;

namespace {

std::vector<std::uint32_t> shuffled(std::uint32_t count, std::uint32_t first) {
  std::vector<std::uint32_t> found(count);
  std::iota(found.begin(), found.end(), first);
  std::shuffle(found.begin(), found.end(), std::mt19937(6));
  return found;
}

}  // namespace

TEST("orders, inverses and parents agree, in any budget") {
  const Folder folder("weft-rows-");
  constexpr std::uint32_t kRows = 20000, kFirst = 500;
  std::mt19937 random(8);
  std::vector<std::uint32_t> parents, codes;
  for (std::uint32_t i = 0; i < kRows; ++i) {
    parents.push_back(random() % 10 == 0 ? kNone : static_cast<std::uint32_t>(random() % 700));
    codes.push_back(static_cast<std::uint32_t>(random() % 50));
  }
  kit::write(folder.file("parents"), parents);
  kit::write(folder.file("codes"), codes);
  for (const std::uint64_t budget : {std::uint64_t{4096}, std::uint64_t{1} << 30}) {
    weft::GroupTask task;
    task.parents = folder.file("parents");
    task.codes = folder.file("codes");
    task.count = kRows;
    task.first_value = kFirst;
    task.num_groups = 700;
    task.keep_orphans = true;
    task.scratch = folder.file("sort");
    task.budget = budget;
    task.threads = 3;
    weft::OrderFiles files{{folder.file("source")}, {folder.file("time")}, {""}, {folder.file("parent")}, {folder.file("offsets")}};
    weft::write_order(task, "", files);
    const auto source = kit::load<std::uint32_t>(files.source.path, weft::Kind::source, files.source.root);
    const auto time = kit::load<std::uint32_t>(files.time.path, weft::Kind::time, files.time.root);
    const auto parent = kit::load<std::uint32_t>(files.parent.path, weft::Kind::parent, files.parent.root);
    bool same = true;
    for (std::uint32_t row = 0; row < kRows; ++row) {
      same = same && time[row] == codes[source[row] - kFirst] && parent[row] == parents[source[row] - kFirst];
      if (row > 0) {
        same = same && std::tuple(parent[row - 1], time[row - 1], source[row - 1]) <
                           std::tuple(parent[row], time[row], source[row]);
      }
    }
    EXPECT(same);
    weft::write_inverse(files.source.path, kRows, kFirst, kFirst, folder.file("inverse"), budget);
    const auto inverse = kit::read<std::uint32_t>(folder.file("inverse"));
    for (std::uint32_t row = 0; row < kRows; ++row) same = same && inverse[source[row] - kFirst] == row + kFirst;
    EXPECT(same);
    const auto root =
        weft::write_parents(folder.file("parents"), kRows, folder.file("inverse"), kFirst, folder.file("p2"), budget);
    EXPECT(kit::load<std::uint32_t>(folder.file("p2"), weft::Kind::parent, root) == parent);
    weft::restore_order(files.time.path, files.source.path, kRows, kFirst, folder.file("restored"), budget);
    EXPECT(kit::read<std::uint32_t>(folder.file("restored")) == codes);
  }
}

TEST("the parents of an appended segment are listed, and children follow them") {
  const Folder folder("weft-rows-");
  kit::write<std::uint32_t>(folder.file("parents"), {900, kNone, 7, 900, 12});
  weft::Written sparse{folder.file("sparse")};
  EXPECT(weft::write_sparse(folder.file("parents"), 5, folder.file("groups"), sparse) == 3);
  EXPECT(kit::load<std::uint32_t>(sparse.path, weft::Kind::sparse_parent, sparse.root) ==
         (std::vector<std::uint32_t>{7, 12, 900}));
  weft::GroupTask task;
  task.parents = folder.file("groups");
  task.count = 5;
  task.first_value = 40;
  task.num_groups = 3;
  task.budget = 1 << 20;
  task.scratch = folder.file("sort");
  weft::EdgeFiles files{{folder.file("offsets")}, {folder.file("children")}};
  weft::write_children(task, files);
  EXPECT(kit::load<std::uint32_t>(files.offsets.path, weft::Kind::offsets, files.offsets.root) ==
         (std::vector<std::uint32_t>{0, 1, 2, 4}));
  EXPECT(kit::load<std::uint32_t>(files.children.path, weft::Kind::children_row, files.children.root) ==
         (std::vector<std::uint32_t>{42, 44, 40, 43}));
}

TEST("rows are packed by any number of threads and put in their places in any budget") {
  const Folder folder("weft-rows-");
  constexpr std::uint32_t kRows = 30000, kFirst = 11, kStride = 32;
  std::vector<double> numbers;
  std::vector<std::int64_t> integers;
  std::vector<std::string> words;
  std::vector<bool> given;
  for (std::uint32_t i = 0; i < kRows; ++i) {
    numbers.push_back(i / 4.0);
    integers.push_back(static_cast<std::int64_t>(i) * 1000003);
    words.push_back("word " + std::to_string(i * i % 97));
    given.push_back(i % 6 != 0);
  }
  const auto validity = kit::bits(given);
  const kit::Texts texts(words);
  const auto batch = kit::batch_of({kit::column_of(ColumnType::number, numbers, &validity),
                                    kit::column_of(ColumnType::timestamp, integers, &validity), texts.column(),
                                    kit::column_of(ColumnType::boolean, validity)});
  weft::Batch cut = batch;
  for (auto& column : cut.columns) column.length = kRows;
  cut.length = kRows;
  const auto inverse = shuffled(kRows, kFirst);
  kit::write(folder.file("inverse"), inverse);
  for (const std::uint64_t budget : {std::uint64_t{1}, std::uint64_t{100000}, std::uint64_t{1} << 30}) {
    for (const unsigned threads : {1u, 4u}) {
      weft::Dictionary dictionary(true);
      std::uint32_t root = 0;
      {
        weft::RowWriter writer(folder.file("rows"), kStride, kRows, folder.file("inverse"), kFirst,
                               folder.file("scratch"), budget);
        weft::RowPacker packer(kStride,
                               {{1, weft::Storage::int64, 0, 1, "time", nullptr, ""},
                                {0, weft::Storage::float32, 8, 1, "number", nullptr, ""},
                                {2, weft::Storage::int32, 12, 1, "word", &dictionary, ""},
                                {3, weft::Storage::uint8, 16, 1, "flag", nullptr, ""}},
                               writer, threads);
        EXPECT(packer.add(cut));
        root = writer.finish();
      }
      const auto bytes = kit::load<std::byte>(folder.file("rows"), weft::Kind::rows, root, kStride);
      bool same = true;
      for (std::uint32_t i = 0; i < kRows; ++i) {
        const std::byte* row = bytes.data() + std::size_t{inverse[i] - kFirst} * kStride;
        std::int64_t time;
        float number;
        std::int32_t code;
        std::memcpy(&time, row, 8);
        std::memcpy(&number, row + 8, 4);
        std::memcpy(&code, row + 12, 4);
        same = same && time == (given[i] ? integers[i] : std::numeric_limits<std::int64_t>::min());
        same = same && (given[i] ? static_cast<double>(number) == numbers[i] : std::isnan(number));
        same = same && code == dictionary.code(texts.column(), i);
        same = same && row[16] == (given[i] ? std::byte{1} : std::byte{0});
      }
      EXPECT(same);
    }
  }
}

TEST("numbers that a storage does not keep are told, not rounded") {
  const Folder folder("weft-rows-");
  const std::vector<double> fine = {0.5, -0.0, std::ldexp(3.0, 100), std::numeric_limits<double>::infinity()};
  const std::vector<double> wide = {0.1};
  const std::vector<std::int64_t> small = {1 << 24, -(1 << 24), 3ll << 40, std::numeric_limits<std::int64_t>::min()};
  const std::vector<std::int64_t> large = {(1 << 24) + 1};
  const std::vector<std::int64_t> huge = {(1ll << 53) + 1, 5};
  EXPECT(weft::width_of(kit::column_of(ColumnType::number, fine)) == weft::Width::single);
  EXPECT(weft::width_of(kit::column_of(ColumnType::number, wide)) == weft::Width::wide);
  EXPECT(weft::width_of(kit::column_of(ColumnType::integer, small)) == weft::Width::single);
  EXPECT(weft::width_of(kit::column_of(ColumnType::integer, large)) == weft::Width::wide);
  EXPECT(weft::width_of(kit::column_of(ColumnType::integer, huge)) == weft::Width::integer);
  weft::RowWriter writer(folder.file("rows"), 8, 1, "", 0, folder.file("scratch"), 1 << 20);
  weft::RowPacker packer(8, {{0, weft::Storage::float32, 0, 1, "n", nullptr, ""}}, writer, 1);
  EXPECT(!packer.add(kit::batch_of({kit::column_of(ColumnType::number, wide)})));
  EXPECT(!packer.add(kit::batch_of({kit::column_of(ColumnType::integer, large)})));
}

int main() { return check::run_all(); }
