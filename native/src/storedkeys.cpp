#include "storedkeys.hpp"

#include <algorithm>
#include <cstring>

#include "error.hpp"

namespace weft {
namespace {

constexpr std::int64_t kTile = 64;

[[noreturn]] void refuse(const MappedFile& file, const std::string& what) {
  throw Error(Fault::user, "GRAPH006", "'" + file.path() + "' " + what + ".",
              "materialize the graph again from its tables.");
}

}  // namespace

KeySegment::KeySegment(KeyFiles files, std::uint64_t first_row) : files_(std::move(files)), first_row_(first_row) {
  const bool is_bytes = files_.kind == StoredKeys::bytes;
  const MappedFile& stored = is_bytes ? *files_.offsets : *files_.values;
  const std::uint64_t wanted = files_.num_rows + (is_bytes ? 1 : 0);
  if (stored.num_items() != wanted) {
    refuse(stored, "holds " + std::to_string(stored.num_items()) + " items where the manifest promises " +
                       std::to_string(wanted));
  }
  if (files_.slots && files_.slots->num_items() == 0) refuse(*files_.slots, "holds no slots");
}

void KeySegment::refuse_kind() const { refuse(first_file(), "holds keys of another type than the segment before it"); }

const MappedFile& KeySegment::first_file() const noexcept { return files_.slots ? *files_.slots : *files_.direct; }

void KeySegment::find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const {
  std::int64_t wanted[kTile];
  std::int64_t held = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    if (rows[i] != kNone || keys.is_null(first + i)) continue;
    wanted[held++] = first + i;
    if (held == kTile) {
      find_tile(keys, wanted, held, first, rows);
      held = 0;
    }
  }
  find_tile(keys, wanted, held, first, rows);
}

void KeySegment::find_tile(const KeyReader& keys, const std::int64_t* wanted, std::int64_t count, std::int64_t first,
                           std::uint32_t* rows) const {
  if (files_.kind == StoredKeys::direct) {
    for (std::int64_t i = 0; i < count; ++i) rows[wanted[i] - first] = find_direct(keys.integer(wanted[i]));
    return;
  }
  std::string buffer[kTile];
  std::string_view key[kTile];
  std::uint64_t hash[kTile];
  for (std::int64_t i = 0; i < count; ++i) {
    hash[i] = hash_of(keys, wanted[i], buffer[i], key[i]);
    __builtin_prefetch(files_.slots->as<Slot>() + home_of(hash[i], home_bits(files_.slots->num_items())));
  }
  for (std::int64_t i = 0; i < count; ++i) prefetch_key(hash[i]);
  for (std::int64_t i = 0; i < count; ++i) {
    rows[wanted[i] - first] = find_hashed(hash[i], is_integer() ? keys.integer(wanted[i]) : 0, key[i]);
  }
}

std::uint32_t KeySegment::find_direct(std::int64_t key) const {
  const std::uint64_t place = static_cast<std::uint64_t>(key) - static_cast<std::uint64_t>(files_.first);
  if (place >= files_.direct->num_items()) return kNone;
  files_.direct->need(place * sizeof(std::uint32_t), sizeof(std::uint32_t));
  const std::uint32_t row = files_.direct->as<std::uint32_t>()[place];
  if (row != kNone) check_row(row);
  return placed(row);
}

std::uint32_t KeySegment::find_integer(std::int64_t key) const {
  return files_.kind == StoredKeys::direct ? find_direct(key) : find_hashed(hash_integer(key), key, {});
}

std::uint32_t KeySegment::find_bytes(std::string_view key) const {
  return find_hashed(hash_bytes(key.data(), key.size()), 0, key);
}

// The hash of a key that is not null; a UUID is hashed as its 16 bytes.
std::uint64_t KeySegment::hash_of(const KeyReader& keys, std::int64_t i, std::string& buffer,
                                  std::string_view& key) const {
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
void KeySegment::prefetch_key(std::uint64_t hash) const noexcept {
  const Slot& slot = files_.slots->as<Slot>()[home_of(hash, home_bits(files_.slots->num_items()))];
  if (slot.row >= files_.num_rows) return;
  if (files_.kind == StoredKeys::integer) {
    __builtin_prefetch(files_.values->as<std::int64_t>() + slot.row);
  } else if (files_.kind == StoredKeys::uuid) {
    __builtin_prefetch(files_.values->as<Uuid>() + slot.row);
  } else {
    __builtin_prefetch(files_.offsets->as<std::uint64_t>() + slot.row);
  }
}

std::uint32_t KeySegment::find_hashed(std::uint64_t hash, std::int64_t integer, std::string_view key) const {
  const auto slot = [&](std::uint64_t i) {
    files_.slots->need(i * sizeof(Slot), sizeof(Slot));
    return files_.slots->as<Slot>()[i];
  };
  return placed(find_slot(slot, files_.slots->num_items(), hash,
                          [&](std::uint32_t row) { return is_key(row, integer, key); }));
}

bool KeySegment::is_key(std::uint32_t row, std::int64_t integer, std::string_view key) const {
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

std::string_view KeySegment::bytes_of(std::uint32_t row) const {
  files_.offsets->need(std::uint64_t{row} * sizeof(std::uint64_t), 2 * sizeof(std::uint64_t));
  const auto* ends = files_.offsets->as<std::uint64_t>() + row;
  if (ends[0] > ends[1] || ends[1] > files_.bytes->num_items()) {
    refuse(*files_.offsets, "does not fit '" + files_.bytes->path() + "'");
  }
  if (ends[0] == ends[1]) return {};
  files_.bytes->need(ends[0], ends[1] - ends[0]);
  return {files_.bytes->as<char>() + ends[0], ends[1] - ends[0]};
}

const Uuid& KeySegment::uuid_of(std::uint32_t row) const {
  files_.values->need(std::uint64_t{row} * sizeof(Uuid), sizeof(Uuid));
  return files_.values->as<Uuid>()[row];
}

void KeySegment::check_row(std::uint32_t row) const {
  if (row < files_.num_rows) return;
  refuse(first_file(), "names row " + std::to_string(row) + " of " + std::to_string(files_.num_rows));
}

std::int64_t KeySegment::integer(std::uint32_t row) const {
  files_.values->need(std::uint64_t{row} * sizeof(std::int64_t), sizeof(std::int64_t));
  return files_.values->as<std::int64_t>()[row];
}

void KeySegment::append_text(std::uint32_t row, std::vector<char>& out) const {
  if (files_.kind == StoredKeys::uuid) {
    const std::string text = uuid_text(uuid_of(row));
    out.insert(out.end(), text.begin(), text.end());
  } else {
    const std::string_view text = bytes_of(row);
    out.insert(out.end(), text.begin(), text.end());
  }
}

StoredIndex::StoredIndex(std::vector<KeyFiles> segments) : starts_{0} {
  for (KeyFiles& files : segments) {
    segments_.emplace_back(std::move(files), starts_.back());
    if (segments_.back().is_integer() != is_integer()) segments_.back().refuse_kind();
    starts_.push_back(starts_.back() + segments_.back().num_rows());
  }
}

void StoredIndex::find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* rows) const {
  std::fill_n(rows, count, kNone);
  for (const KeySegment& segment : segments_) segment.find(keys, first, count, rows);
}

std::uint32_t StoredIndex::find_integer(std::int64_t key) const {
  std::uint32_t row = kNone;
  for (std::size_t i = 0; i < segments_.size() && row == kNone; ++i) row = segments_[i].find_integer(key);
  return row;
}

std::uint32_t StoredIndex::find_bytes(std::string_view key) const {
  std::uint32_t row = kNone;
  for (std::size_t i = 0; i < segments_.size() && row == kNone; ++i) row = segments_[i].find_bytes(key);
  return row;
}

std::size_t StoredIndex::segment_of(std::uint32_t row) const noexcept {
  return static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), row) - starts_.begin()) - 1;
}

Buffer<std::int64_t> StoredIndex::integers(const std::uint32_t* rows, std::size_t count) const {
  Buffer<std::int64_t> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = 0;
    if (rows[i] == kNone) continue;
    const std::size_t at = segment_of(rows[i]);
    out[i] = segments_[at].integer(static_cast<std::uint32_t>(rows[i] - starts_[at]));
  }
  return out;
}

KeyTexts StoredIndex::texts(const std::uint32_t* rows, std::size_t count) const {
  KeyTexts out;
  out.ends.reserve(count + 1);
  out.ends.push_back(0);
  for (std::size_t i = 0; i < count; ++i) {
    if (rows[i] != kNone) {
      const std::size_t at = segment_of(rows[i]);
      segments_[at].append_text(static_cast<std::uint32_t>(rows[i] - starts_[at]), out.bytes);
    }
    out.ends.push_back(static_cast<std::int64_t>(out.bytes.size()));
  }
  return out;
}

std::unique_ptr<StoredIndex> map_index(std::vector<KeyFiles> segments) {
  return std::make_unique<StoredIndex>(std::move(segments));
}

void refuse_known_keys(const StoredIndex& known, const KeyReader& keys, const std::string& what) {
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(keys.length()));
  known.find(keys, 0, keys.length(), rows.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == kNone) continue;
    const auto at = static_cast<std::int64_t>(i);
    std::string buffer;
    if (keys.is_integer()) fail_key_twice(what, std::to_string(keys.integer(at)));
    fail_key_twice(what, std::string("'").append(keys.bytes(at, buffer)).append("'"));
  }
}

}  // namespace weft
