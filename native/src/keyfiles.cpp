#include "keyfiles.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace weft {
namespace {

constexpr std::size_t kChunk = 4096;

// Calls `use(row, key)` for each integer key of a spill.
template <class Use>
void each_integer(const KeySource& source, Use use) {
  ScratchReader keys(source.stem + ".keys", sizeof(std::int64_t));
  ScratchReader rows(source.rows, sizeof(std::uint32_t));
  std::vector<std::int64_t> key(kChunk);
  std::vector<std::uint32_t> row(kChunk);
  for (std::uint64_t done = 0; done < source.shape.num_keys; done += kChunk) {
    const std::size_t count = std::min<std::uint64_t>(kChunk, source.shape.num_keys - done);
    keys.read(key.data(), count);
    rows.read(row.data(), count);
    for (std::size_t i = 0; i < count; ++i) use(row[i] - source.first_row, key[i]);
  }
}

// The same for keys that are bytes.
template <class Use>
void each_bytes(const KeySource& source, Use use) {
  ScratchReader lengths(source.stem + ".lengths", sizeof(std::uint32_t));
  ScratchReader bytes(source.stem + ".bytes", 1);
  ScratchReader rows(source.rows, sizeof(std::uint32_t));
  std::vector<std::uint32_t> length(kChunk), row(kChunk);
  std::string text;
  for (std::uint64_t done = 0; done < source.shape.num_keys; done += kChunk) {
    const std::size_t count = std::min<std::uint64_t>(kChunk, source.shape.num_keys - done);
    lengths.read(length.data(), count);
    rows.read(row.data(), count);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < count; ++i) total += length[i];
    text.resize(total);
    bytes.read(text.data(), total);
    const char* at = text.data();
    for (std::size_t i = 0; i < count; at += length[i++]) {
      use(row[i] - source.first_row, std::string_view(at, length[i]));
    };
  }
}

Uuid uuid_of(std::string_view text) { return parse_uuid(text).value_or(Uuid{}); }

template <class Use>
void each_hash(const KeySource& source, StoredKeys kind, Use use) {
  if (kind == StoredKeys::integer) {
    each_integer(source, [&](std::uint32_t row, std::int64_t key) { use(row, hash_integer(key)); });
    return;
  }
  each_bytes(source, [&](std::uint32_t row, std::string_view key) {
    const Uuid uuid = kind == StoredKeys::uuid ? uuid_of(key) : Uuid{};
    use(row, kind == StoredKeys::uuid ? hash_bytes(&uuid, sizeof(uuid)) : hash_bytes(key.data(), key.size()));
  });
}

// Texts of the two given rows are compared, as keys whose hashes agree may differ.
void refuse_twice(const KeySource& source, std::uint32_t left, std::uint32_t right) {
  std::string first, second;
  if (!source.shape.is_integer) {
    each_bytes(source, [&](std::uint32_t row, std::string_view key) {
      if (row == left) first = key;
      if (row == right) second = key;
    });
    if (first != second) return;
  } else {
    each_integer(source, [&](std::uint32_t row, std::int64_t key) {
      if (row == left) first = std::to_string(key);
    });
  }
  fail_key_twice(source.what, first);
}

// Writes one item per row, each range of rows in a pass; `each(use)` calls use(row, item) for all, which
// returns what was there before.
template <class Item, class Each>
std::uint32_t write_by_row(std::uint64_t count, std::uint64_t budget, FileWriter& writer, const Item& none, Each each) {
  const std::uint64_t most = std::max<std::uint64_t>(64, budget / sizeof(Item));
  std::vector<Item> items;
  for (std::uint64_t first = 0; first < count; first += most) {
    items.assign(std::min(most, count - first), none);
    each([&](std::uint64_t row, const Item& item) {
      return row - first < items.size() ? std::exchange(items[row - first], item) : none;
    });
    writer.append(items.data(), items.size() * sizeof(Item));
  }
  return writer.finish();
}

}  // namespace

std::uint32_t write_key_direct(const KeySource& source, const std::string& path) {
  FileWriter writer(path, Kind::key_direct, sizeof(std::uint32_t));
  return write_by_row<std::uint32_t>(source.shape.span(), source.budget, writer, kNone, [&](auto use) {
    each_integer(source, [&](std::uint32_t row, std::int64_t key) {
      const std::uint32_t before =
          use(static_cast<std::uint64_t>(key) - static_cast<std::uint64_t>(source.shape.least), row);
      if (before != kNone) fail_key_twice(source.what, std::to_string(key));
    });
  });
}

std::uint32_t write_key_values(const KeySource& source, StoredKeys kind, const std::string& path) {
  if (kind == StoredKeys::uuid) {
    FileWriter writer(path, Kind::key_values, sizeof(Uuid));
    return write_by_row<Uuid>(source.shape.num_keys, source.budget, writer, Uuid{}, [&](auto use) {
      each_bytes(source, [&](std::uint32_t row, std::string_view key) { use(row, uuid_of(key)); });
    });
  }
  FileWriter writer(path, Kind::key_values, sizeof(std::int64_t));
  return write_by_row<std::int64_t>(source.shape.num_keys, source.budget, writer, 0, [&](auto use) {
    each_integer(source, [&](std::uint32_t row, std::int64_t key) { use(row, key); });
  });
}

std::uint32_t write_key_slots(const KeySource& source, StoredKeys kind, const std::string& path) {
  struct Entry {
    std::uint64_t hash;
    std::uint32_t row;
  };
  const std::uint64_t homes = num_homes(source.shape.num_keys);
  const unsigned bits = home_bits(homes);
  const std::uint64_t most = std::max<std::uint64_t>(64, source.budget / (2 * sizeof(Entry)));
  FileWriter writer(path, Kind::key_slots, sizeof(Slot));
  std::vector<Entry> entries;
  std::vector<Slot> slots;
  std::uint64_t next = 0;  // first slot that is not written
  for (std::uint64_t first = 0; first < homes; first += most) {
    const std::uint64_t last = std::min(first + most, homes);
    entries.clear();
    slots.clear();
    each_hash(source, kind, [&](std::uint32_t row, std::uint64_t hash) {
      if (home_of(hash, bits) - first < last - first) entries.push_back({hash, row});
    });
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return a.hash != b.hash ? a.hash < b.hash : a.row < b.row;
    });
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].hash == entries[i - 1].hash) refuse_twice(source, entries[i - 1].row, entries[i].row);
    }
    for (const Entry& entry : entries) {
      for (; next < home_of(entry.hash, bits); ++next) slots.push_back({0, kNone});
      slots.push_back({static_cast<std::uint32_t>(entry.hash), entry.row});
      ++next;
    }
    writer.append(slots.data(), slots.size() * sizeof(Slot));
  }
  slots.clear();
  for (; next < homes; ++next) slots.push_back({0, kNone});
  slots.push_back({0, kNone});
  writer.append(slots.data(), slots.size() * sizeof(Slot));
  return writer.finish();
}

KeyBytesRoots write_key_bytes(const KeySource& source, const std::string& offsets, const std::string& bytes) {
  FileWriter ends(offsets, Kind::key_offsets, sizeof(std::uint64_t));
  FileWriter texts(bytes, Kind::key_bytes, 1);
  const std::uint64_t count = source.shape.num_keys;
  // Half of the budget is for lengths and starts of a range of rows, the rest for their bytes.
  const std::uint64_t most = std::max<std::uint64_t>(64, source.budget / 2 / 16);
  std::uint64_t end = 0;
  ends.append(&end, sizeof(end));
  std::vector<std::uint64_t> starts;
  std::string held;
  for (std::uint64_t first = 0; first < count; first += most) {
    const std::uint64_t size = std::min(most, count - first);
    starts.assign(size + 1, 0);
    each_bytes(source, [&](std::uint32_t row, std::string_view key) {
      if (row - first < size) starts[row - first + 1] = key.size();
    });
    for (std::uint64_t i = 0; i < size; ++i) starts[i + 1] += starts[i];
    for (std::uint64_t from = 0; from < size;) {
      std::uint64_t to = from + 1;
      while (to < size && starts[to + 1] - starts[from] <= source.budget / 2) ++to;
      held.resize(starts[to] - starts[from]);
      each_bytes(source, [&](std::uint32_t row, std::string_view key) {
        const std::uint64_t place = row - first - from;
        if (place < to - from) std::memcpy(held.data() + (starts[row - first] - starts[from]), key.data(), key.size());
      });
      texts.append(held.data(), held.size());
      from = to;
    }
    for (std::uint64_t i = 1; i <= size; ++i) starts[i] += end;
    end = starts[size];
    ends.append(starts.data() + 1, size * sizeof(std::uint64_t));
  }
  return {ends.finish(), texts.finish()};
}

}  // namespace weft
