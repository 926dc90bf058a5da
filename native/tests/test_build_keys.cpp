// Keys: spilled, indexed in parts, resolved by threads, and written as files.
#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "build_kit.hpp"
#include "check.hpp"
#include "error.hpp"
#include "keyfiles.hpp"
#include "resolve.hpp"
#include "storedkeys.hpp"

using kit::Folder;
using weft::ColumnType;
using weft::kNone;

namespace {

std::vector<std::int64_t> integer_keys(std::size_t count, bool is_dense) {
  std::mt19937_64 random(3);
  std::vector<std::int64_t> keys(count);
  for (std::size_t i = 0; i < count; ++i) {
    keys[i] = is_dense ? static_cast<std::int64_t>(i * 2) - 50 : static_cast<std::int64_t>(random() | 1);
  }
  std::shuffle(keys.begin(), keys.end(), random);
  return keys;
}

std::vector<std::string> text_keys(std::size_t count, bool is_uuid) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) {
    weft::Uuid uuid{};
    for (unsigned b = 0; b < 16; ++b) uuid.bytes[b] = static_cast<unsigned char>(weft::hash_integer(i) >> (b % 8 * 8));
    keys.push_back(is_uuid ? weft::uuid_text(uuid) : "key " + std::to_string(i * i));
  }
  return keys;
}

weft::KeyShape spill(const std::string& stem, const weft::Batch& batch, bool is_integer) {
  weft::KeySpill one(stem, is_integer);
  one.add(weft::KeyReader(batch, {0}));
  return one.finish();
}

// Resolves a column of foreign keys against the keys of a spill, in parts.
std::vector<std::uint32_t> resolve(const Folder& folder, const weft::KeyShape& shape, const weft::Batch& foreign,
                                   unsigned passes, unsigned threads, weft::LinkCounts& counts) {
  std::string before;
  counts = {};
  for (unsigned pass = 0; pass < passes; ++pass) {
    const std::string out = folder.file(pass % 2 == 0 ? "even" : "odd");
    const auto index = weft::load_index(folder.file("keys"), shape, pass, passes, "t");
    weft::LinkResolver resolver(*index, out, before, folder.file("dangling" + std::to_string(pass)));
    resolver.add(weft::KeyReader(foreign, {0}), threads);
    const weft::LinkCounts one = resolver.finish();
    counts.num_edges += one.num_edges;
    counts.num_null += one.num_null;
    counts.num_dangling += one.num_dangling;
    before = out;
  }
  return kit::read<std::uint32_t>(before);
}

}  // namespace

TEST("foreign keys of integers find their rows, in any number of parts and threads") {
  for (const bool is_dense : {true, false}) {
    const Folder folder("weft-keys-");
    const auto keys = integer_keys(20000, is_dense);
    const auto shape = spill(folder.file("keys"), kit::batch_of({kit::column_of(ColumnType::integer, keys)}), true);
    EXPECT(shape.is_dense() == is_dense);
    std::vector<std::int64_t> foreign;
    std::vector<bool> given;
    std::vector<std::uint32_t> wanted;
    for (std::size_t i = 0; i < 50000; ++i) {
      const auto row = static_cast<std::uint32_t>(weft::hash_integer(static_cast<std::int64_t>(i)) % keys.size());
      given.push_back(i % 11 != 0);
      foreign.push_back(i % 7 == 0 ? keys[row] + 1 : keys[row]);  // keys differ by two or are odd
      wanted.push_back(i % 11 == 0 || i % 7 == 0 ? kNone : row);
    }
    const auto validity = kit::bits(given);
    const auto batch = kit::batch_of({kit::column_of(ColumnType::integer, foreign, &validity)});
    for (const unsigned passes : {1u, 5u}) {
      for (const unsigned threads : {1u, 4u}) {
        weft::LinkCounts counts;
        EXPECT(resolve(folder, shape, batch, passes, threads, counts) == wanted);
        EXPECT(counts.num_null == static_cast<std::uint64_t>(std::count(given.begin(), given.end(), false)));
        EXPECT(counts.num_edges + counts.num_null + counts.num_dangling == foreign.size());
        EXPECT(counts.num_edges ==
               static_cast<std::uint64_t>(wanted.size()) -
                   static_cast<std::uint64_t>(std::count(wanted.begin(), wanted.end(), kNone)));
      }
    }
  }
}

TEST("foreign keys of text find their rows, and dangling ones are listed once each") {
  const Folder folder("weft-keys-");
  const auto keys = text_keys(5000, false);
  const kit::Texts texts(keys);
  const auto shape = spill(folder.file("keys"), kit::batch_of({texts.column()}), false);
  std::vector<std::string> foreign;
  std::vector<std::uint32_t> wanted;
  for (std::uint32_t i = 0; i < 20000; ++i) {
    const std::uint32_t row = i * 31 % 5000;
    foreign.push_back(i % 5 == 0 ? "nobody " + std::to_string(i % 3) : keys[row]);
    wanted.push_back(i % 5 == 0 ? kNone : row);
  }
  const kit::Texts foreign_texts(foreign);
  for (const unsigned passes : {1u, 4u}) {
    weft::LinkCounts counts;
    EXPECT(resolve(folder, shape, kit::batch_of({foreign_texts.column()}), passes, 3, counts) == wanted);
    EXPECT(counts.num_dangling == 4000);
    std::vector<std::string> scratch;
    for (unsigned pass = 0; pass < passes; ++pass) scratch.push_back(folder.file("dangling" + std::to_string(pass)));
    for (const std::uint64_t budget : {std::uint64_t{1}, std::uint64_t{1} << 20}) {
      const auto root = weft::write_dangling(scratch, folder.file("out"), budget);
      const auto hashes = kit::load<std::uint64_t>(folder.file("out"), weft::Kind::dangling, root);
      EXPECT(hashes.size() == 3);
      EXPECT(std::is_sorted(hashes.begin(), hashes.end()));
      const weft::MappedFile file(folder.file("out"), weft::Kind::dangling, 8, root);
      EXPECT(!weft::is_any_key_dangling(folder.file("keys"), shape, file));
      const kit::Texts found({"somebody", "nobody 1"});
      const auto other = spill(folder.file("other"), kit::batch_of({found.column()}), false);
      EXPECT(weft::is_any_key_dangling(folder.file("other"), other, file));
    }
  }
}

TEST("numbers of parents become rows, in any number of passes") {
  const Folder folder("weft-keys-");
  std::vector<std::uint32_t> inverse(9000), parents, wanted;
  std::iota(inverse.begin(), inverse.end(), 100u);
  std::shuffle(inverse.begin(), inverse.end(), std::mt19937(4));
  for (std::uint32_t i = 0; i < 30000; ++i) {
    const std::uint32_t number = i % 13 == 0 ? kNone : i * 17 % 9100;
    parents.push_back(number);
    wanted.push_back(number == kNone || number < 100 ? number : inverse[number - 100]);
  }
  kit::write(folder.file("parents"), parents);
  kit::write(folder.file("inverse"), inverse);
  for (const std::uint64_t budget : {std::uint64_t{1}, std::uint64_t{1} << 30}) {
    weft::translate_parents(folder.file("parents"), parents.size(), folder.file("inverse"), inverse.size(), 100,
                            folder.file("out"), budget);
    EXPECT(kit::read<std::uint32_t>(folder.file("out")) == wanted);
  }
}

TEST("key files find every key, are the same for any budget, and hold keys in order of rows") {
  const Folder folder("weft-keys-");
  constexpr std::uint32_t kKeys = 3000;
  std::vector<std::uint32_t> rows(kKeys);
  std::iota(rows.begin(), rows.end(), 0u);
  std::shuffle(rows.begin(), rows.end(), std::mt19937(9));
  kit::write(folder.file("rows"), rows);
  const auto integers = integer_keys(kKeys, false);
  const auto by_integer = spill(folder.file("i"), kit::batch_of({kit::column_of(ColumnType::integer, integers)}), true);
  for (const bool is_uuid : {false, true}) {
    const auto keys = text_keys(kKeys, is_uuid);
    const kit::Texts texts(keys);
    const auto shape = spill(folder.file("t"), kit::batch_of({texts.column()}), false);
    EXPECT(shape.all_uuid == is_uuid);
    const auto kind = is_uuid ? weft::StoredKeys::uuid : weft::StoredKeys::bytes;
    std::string first_bytes;
    for (const std::uint64_t budget : {std::uint64_t{1}, std::uint64_t{1} << 30}) {
      const weft::KeySource source{folder.file("t"), folder.file("rows"), shape, budget, "t"};
      weft::KeyFiles files;
      files.kind = kind;
      files.num_rows = kKeys;
      const auto slots = weft::write_key_slots(source, kind, folder.file("slots"));
      files.slots = std::make_unique<weft::MappedFile>(folder.file("slots"), weft::Kind::key_slots, 8, slots);
      if (is_uuid) {
        const auto root = weft::write_key_values(source, kind, folder.file("values"));
        files.values = std::make_unique<weft::MappedFile>(folder.file("values"), weft::Kind::key_values, 16, root);
      } else {
        const auto roots = weft::write_key_bytes(source, folder.file("offsets"), folder.file("bytes"));
        files.offsets =
            std::make_unique<weft::MappedFile>(folder.file("offsets"), weft::Kind::key_offsets, 8, roots.offsets);
        files.bytes = std::make_unique<weft::MappedFile>(folder.file("bytes"), weft::Kind::key_bytes, 1, roots.bytes);
      }
      const std::string bytes = kit::whole(folder.file("slots"));
      EXPECT(first_bytes.empty() || bytes == first_bytes);
      first_bytes = bytes;
      std::vector<weft::KeyFiles> segments;
      segments.push_back(std::move(files));
      const auto index = weft::map_index(std::move(segments));
      std::vector<std::uint32_t> found(kKeys);
      const auto batch = kit::batch_of({texts.column()});
      index->find(weft::KeyReader(batch, {0}), 0, kKeys, found.data());
      EXPECT(found == rows);
    }
  }
  const weft::KeySource source{folder.file("i"), folder.file("rows"), by_integer, 1 << 16, "t"};
  const auto root = weft::write_key_values(source, weft::StoredKeys::integer, folder.file("values"));
  const auto stored = kit::load<std::int64_t>(folder.file("values"), weft::Kind::key_values, root);
  bool same = true;
  for (std::uint32_t i = 0; i < kKeys; ++i) same = same && stored[rows[i]] == integers[i];
  EXPECT(same);
}

namespace {

// Writes the files of one segment of integers, whose rows begin at `first_row`.
weft::KeyFiles segment_of(const Folder& folder, const std::string& name, const std::vector<std::int64_t>& keys,
                          std::uint32_t first_row) {
  const auto batch = kit::batch_of({kit::column_of(ColumnType::integer, keys)});
  weft::KeySpill one(folder.file(name), true, first_row);
  one.add(weft::KeyReader(batch, {0}));
  const auto shape = one.finish();
  const weft::KeySource source{folder.file(name), folder.file(name + ".rows"), shape, 1 << 16, "t", first_row};
  weft::KeyFiles files;
  files.kind = shape.is_dense() ? weft::StoredKeys::direct : weft::StoredKeys::integer;
  files.num_rows = keys.size();
  files.first = shape.least;
  const std::string path = folder.file(name + "-places");
  if (shape.is_dense()) {
    const auto root = weft::write_key_direct(source, path);
    files.direct = std::make_unique<weft::MappedFile>(path, weft::Kind::key_direct, 4, root);
  } else {
    const auto root = weft::write_key_slots(source, files.kind, path);
    files.slots = std::make_unique<weft::MappedFile>(path, weft::Kind::key_slots, 8, root);
  }
  const auto root = weft::write_key_values(source, files.kind, folder.file(name + "-values"));
  files.values = std::make_unique<weft::MappedFile>(folder.file(name + "-values"), weft::Kind::key_values, 8, root);
  return files;
}

}  // namespace

TEST("keys in segments are found with their rows, and refused when they are known") {
  const Folder folder("weft-keys-");
  const std::vector<std::int64_t> dense = {7, 5, 9}, sparse = {std::int64_t{1} << 60, -3}, last = {10};
  std::vector<weft::KeyFiles> segments;
  segments.push_back(segment_of(folder, "a", dense, 0));
  segments.push_back(segment_of(folder, "b", sparse, 3));
  segments.push_back(segment_of(folder, "c", last, 5));
  const auto index = weft::map_index(std::move(segments));
  EXPECT(index->num_rows() == 6);
  const std::vector<std::int64_t> asked = {-3, 9, 8, 7, 10, std::int64_t{1} << 60, 5};
  const auto batch = kit::batch_of({kit::column_of(ColumnType::integer, asked)});
  std::vector<std::uint32_t> found(asked.size());
  index->find(weft::KeyReader(batch, {0}), 0, static_cast<std::int64_t>(asked.size()), found.data());
  const std::vector<std::uint32_t> wanted = {4, 2, kNone, 0, 5, 3, 1};
  EXPECT(found == wanted);
  const auto integers = index->integers(found.data(), found.size());
  EXPECT(integers[0] == -3 && integers[2] == 0 && integers[4] == 10);

  const std::vector<std::int64_t> fresh = {8, 11}, again = {8, -3};
  const auto new_keys = kit::batch_of({kit::column_of(ColumnType::integer, fresh)});
  weft::refuse_known_keys(*index, weft::KeyReader(new_keys, {0}), "t");
  const auto old_keys = kit::batch_of({kit::column_of(ColumnType::integer, again)});
  EXPECT_ERROR(weft::refuse_known_keys(*index, weft::KeyReader(old_keys, {0}), "t"), "GRAPH021");

  weft::KeySpill one(folder.file("d"), true, 6);
  one.add(weft::KeyReader(new_keys, {0}));
  const auto fresh_index = weft::load_index(folder.file("d"), one.finish(), 0, 1, "t");
  weft::layer_index(*index, *fresh_index)
      ->find(weft::KeyReader(batch, {0}), 0, static_cast<std::int64_t>(asked.size()), found.data());
  EXPECT(found[2] == 6 && found[0] == 4);
}

TEST("files of a segment that hold other rows than the manifest says are refused") {
  const Folder folder("weft-keys-");
  const std::vector<std::int64_t> keys = {7, 5, 9};
  std::vector<weft::KeyFiles> segments;
  segments.push_back(segment_of(folder, "a", keys, 0));
  segments.back().num_rows = 2;
  EXPECT_ERROR(weft::map_index(std::move(segments)), "GRAPH006");
}

TEST("a key twice is refused, whichever way it is found") {
  const Folder folder("weft-keys-");
  for (const bool is_dense : {true, false}) {
    auto keys = integer_keys(100, is_dense);
    keys[90] = keys[3];
    const auto shape = spill(folder.file("keys"), kit::batch_of({kit::column_of(ColumnType::integer, keys)}), true);
    EXPECT_ERROR(weft::load_index(folder.file("keys"), shape, 0, 1, "t"), "GRAPH021");
    const weft::KeySource source{folder.file("keys"), folder.file("keys.rows"), shape, 1 << 16, "t"};
    EXPECT_ERROR(weft::write_key_slots(source, weft::StoredKeys::integer, folder.file("s")), "GRAPH021");
    if (is_dense) EXPECT_ERROR(weft::write_key_direct(source, folder.file("d")), "GRAPH021");
  }
  const std::vector<std::int64_t> keys = {1, 2};
  const auto numbers = kit::batch_of({kit::column_of(ColumnType::integer, keys)});
  const auto shape = spill(folder.file("keys"), numbers, true);
  const auto index = weft::load_index(folder.file("keys"), shape, 0, 1, "t");
  const kit::Texts texts({"1"});
  const auto batch = kit::batch_of({texts.column()});
  weft::LinkResolver resolver(*index, folder.file("p"), "", folder.file("d"));
  EXPECT_ERROR(resolver.add(weft::KeyReader(batch, {0}), 1), "GRAPH028");
}

int main() { return check::run_all(); }
