#include "storedkeys.hpp"

#include <algorithm>
#include <cstring>

#include "error.hpp"

namespace weft {
namespace {

constexpr std::int64_t kTile = 64;

[[noreturn]] void refuse(const MappedFile& file, const std::string& what) {
  throw Error(Fault::user, "GRAPH006", "'" + file.path() + "' " + what + ".",
              "materialize the graph again; its tables are still in the store.");
}

}  // namespace

StoredIndex::StoredIndex(KeyFiles files) : files_(std::move(files)) {
  if (files_.kind == StoredKeys::bytes) {
    if (files_.offsets->num_items() == 0) refuse(*files_.offsets, "holds no offsets");
    num_rows_ = files_.offsets->num_items() - 1;
  } else {
    num_rows_ = files_.values->num_items();
  }
  if (files_.slots && files_.slots->num_items() == 0) refuse(*files_.slots, "holds no slots");
}

void StoredIndex::find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const {
  if (files_.kind == StoredKeys::direct) return find_direct(keys, first, count, rows);
  std::string buffer[kTile];
  std::string_view key[kTile];
  std::uint64_t hash[kTile];
  for (std::int64_t start = 0; start < count; start += kTile) {
    const std::int64_t tile = std::min(kTile, count - start);
    for (std::int64_t i = 0; i < tile; ++i) {
      hash[i] = hash_of(keys, first + start + i, buffer[i], key[i]);
      __builtin_prefetch(files_.slots->as<Slot>() + home_of(hash[i], home_bits(files_.slots->num_items())));
    }
    for (std::int64_t i = 0; i < tile; ++i) prefetch_slot(hash[i]);
    for (std::int64_t i = 0; i < tile; ++i) {
      const std::int64_t at = first + start + i;
      rows[start + i] =
          keys.is_null(at) ? kNone : find_hashed(hash[i], is_integer() ? keys.integer(at) : 0, key[i]);
    }
  }
}

void StoredIndex::find_direct(const KeyReader& keys, std::int64_t first, std::int64_t count,
                              std::uint32_t* rows) const {
  const std::uint64_t num_places = files_.direct->num_items();
  const auto* places = files_.direct->as<std::uint32_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    rows[i] = kNone;
    if (keys.is_null(first + i)) continue;
    const std::uint64_t place =
        static_cast<std::uint64_t>(keys.integer(first + i)) - static_cast<std::uint64_t>(files_.first);
    if (place >= num_places) continue;
    files_.direct->need(place * sizeof(std::uint32_t), sizeof(std::uint32_t));
    rows[i] = places[place];
  }
}

// The hash of a key that is not null, 0 of one that is; a UUID is hashed as its 16 bytes.
std::uint64_t StoredIndex::hash_of(const KeyReader& keys, std::int64_t i, std::string& buffer,
                                   std::string_view& key) const {
  if (keys.is_null(i)) return 0;
  if (is_integer()) return hash_integer(keys.integer(i));
  key = keys.bytes(i, buffer);
  if (files_.kind == StoredKeys::uuid) {
    const auto uuid = parse_uuid(key);
    // What is no UUID is found nowhere: no stored key has 0 bytes.
    buffer.assign(uuid ? reinterpret_cast<const char*>(uuid->bytes) : "", uuid ? sizeof(Uuid) : 0);
    key = buffer;
  }
  return hash_bytes(key.data(), key.size());
}

// Fetches the key of the row that the home of a hash holds.
std::uint32_t StoredIndex::prefetch_slot(std::uint64_t hash) const noexcept {
  const Slot& slot = files_.slots->as<Slot>()[home_of(hash, home_bits(files_.slots->num_items()))];
  if (slot.row >= num_rows_) return kNone;
  if (files_.kind == StoredKeys::integer) {
    __builtin_prefetch(files_.values->as<std::int64_t>() + slot.row);
  } else if (files_.kind == StoredKeys::uuid) {
    __builtin_prefetch(files_.values->as<Uuid>() + slot.row);
  } else {
    __builtin_prefetch(files_.offsets->as<std::uint64_t>() + slot.row);
  }
  return slot.row;
}

std::uint32_t StoredIndex::find_hashed(std::uint64_t hash, std::int64_t integer, std::string_view key) const {
  const auto slot = [&](std::uint64_t i) {
    files_.slots->need(i * sizeof(Slot), sizeof(Slot));
    return files_.slots->as<Slot>()[i];
  };
  return find_slot(slot, files_.slots->num_items(), hash,
                   [&](std::uint32_t row) { return is_key(row, integer, key); });
}

bool StoredIndex::is_key(std::uint32_t row, std::int64_t integer, std::string_view key) const {
  check_row(row);
  if (files_.kind == StoredKeys::integer) {
    files_.values->need(std::uint64_t{row} * sizeof(integer), sizeof(integer));
    return files_.values->as<std::int64_t>()[row] == integer;
  }
  if (files_.kind == StoredKeys::uuid) {
    return key.size() == sizeof(Uuid) && std::memcmp(uuid_of(row).bytes, key.data(), sizeof(Uuid)) == 0;
  }
  return bytes_of(row) == key;
}

std::string_view StoredIndex::bytes_of(std::uint32_t row) const {
  files_.offsets->need(std::uint64_t{row} * sizeof(std::uint64_t), 2 * sizeof(std::uint64_t));
  const auto* ends = files_.offsets->as<std::uint64_t>() + row;
  if (ends[0] > ends[1] || ends[1] > files_.bytes->num_items()) {
    refuse(*files_.offsets, "does not fit '" + files_.bytes->path() + "'");
  }
  if (ends[0] == ends[1]) return {};
  files_.bytes->need(ends[0], ends[1] - ends[0]);
  return {files_.bytes->as<char>() + ends[0], ends[1] - ends[0]};
}

const Uuid& StoredIndex::uuid_of(std::uint32_t row) const {
  files_.values->need(std::uint64_t{row} * sizeof(Uuid), sizeof(Uuid));
  return files_.values->as<Uuid>()[row];
}

void StoredIndex::check_row(std::uint32_t row) const {
  if (row < num_rows_) return;
  const MappedFile& file = files_.slots ? *files_.slots : *files_.direct;
  refuse(file, "names row " + std::to_string(row) + " of " + std::to_string(num_rows_));
}

Buffer<std::int64_t> StoredIndex::integers(const std::uint32_t* rows, std::size_t count) const {
  Buffer<std::int64_t> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = 0;
    if (rows[i] == kNone) continue;
    files_.values->need(std::uint64_t{rows[i]} * sizeof(std::int64_t), sizeof(std::int64_t));
    out[i] = files_.values->as<std::int64_t>()[rows[i]];
  }
  return out;
}

KeyTexts StoredIndex::texts(const std::uint32_t* rows, std::size_t count) const {
  KeyTexts out;
  out.ends.reserve(count + 1);
  out.ends.push_back(0);
  for (std::size_t i = 0; i < count; ++i) {
    if (rows[i] != kNone && files_.kind == StoredKeys::uuid) {
      const std::string text = uuid_text(uuid_of(rows[i]));
      out.bytes.insert(out.bytes.end(), text.begin(), text.end());
    } else if (rows[i] != kNone) {
      const std::string_view text = bytes_of(rows[i]);
      out.bytes.insert(out.bytes.end(), text.begin(), text.end());
    }
    out.ends.push_back(static_cast<std::int64_t>(out.bytes.size()));
  }
  return out;
}

std::unique_ptr<StoredIndex> map_index(KeyFiles files) { return std::make_unique<StoredIndex>(std::move(files)); }

}  // namespace weft
