// Indexes over keys in memory.
#include <algorithm>
#include <bit>
#include <cstring>

#include "error.hpp"
#include "keys.hpp"

namespace weft {
namespace {

constexpr std::int64_t kTile = 64;
constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15u;

std::uint64_t high(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(static_cast<Wide>(a) * b >> 64);
}
// Two independent uses of one hash: which pass a key belongs to, and where it lies within.
std::uint64_t part_of(std::uint64_t hash, unsigned passes) noexcept { return high(hash, passes); }
std::uint64_t place_of(std::uint64_t hash, std::uint64_t size) noexcept { return high(hash * kSpread, size); }

std::uint64_t places_for(std::uint64_t keys) noexcept { return keys + keys / 2 + 8; }

class DirectIndex final : public KeyIndex {
 public:
  DirectIndex(const std::string& stem, const KeyShape& shape, const std::string& what)
      : first_(shape.least), rows_(shape.span(), kNone) {
    ScratchReader keys(stem + ".keys", sizeof(std::int64_t));
    ScratchReader rows(stem + ".rows", sizeof(std::uint32_t));
    std::vector<std::int64_t> key(4096);
    std::vector<std::uint32_t> row(4096);
    for (std::uint64_t done = 0; done < shape.num_keys; done += key.size()) {
      const std::size_t count = std::min<std::uint64_t>(key.size(), shape.num_keys - done);
      keys.read(key.data(), count);
      rows.read(row.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t& slot = rows_[at(key[i])];
        if (slot != kNone) fail_key_twice(what, std::to_string(key[i]));
        slot = row[i];
      }
    }
  }
  bool is_integer() const noexcept override { return true; }
  void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* out) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      if (keys.is_null(first + i)) {
        out[i] = kNone;
        continue;
      }
      const std::uint64_t place = at(keys.integer(first + i));
      out[i] = place < rows_.size() ? rows_[place] : kNone;
    }
  }

 private:
  std::uint64_t at(std::int64_t key) const noexcept {
    return static_cast<std::uint64_t>(key) - static_cast<std::uint64_t>(first_);
  }
  std::int64_t first_;
  std::vector<std::uint32_t> rows_;
};

// Open addressing, at most two thirds full.
class IntegerIndex final : public KeyIndex {
 public:
  IntegerIndex(const std::string& stem, const KeyShape& shape, unsigned pass, unsigned passes,
               const std::string& what)
      : pass_(pass), passes_(passes) {
    ScratchReader keys(stem + ".keys", sizeof(std::int64_t));
    ScratchReader rows(stem + ".rows", sizeof(std::uint32_t));
    std::vector<std::int64_t> key(4096);
    std::vector<std::uint32_t> row(4096);
    resize(places_for(passes == 1 ? shape.num_keys : shape.num_keys / passes * 9 / 8 + 64));
    for (std::uint64_t done = 0; done < shape.num_keys; done += key.size()) {
      const std::size_t count = std::min<std::uint64_t>(key.size(), shape.num_keys - done);
      keys.read(key.data(), count);
      rows.read(row.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        if (covers(hash_integer(key[i]))) insert(key[i], row[i], what);
      }
    }
  }
  bool is_integer() const noexcept override { return true; }
  bool covers(std::uint64_t hash) const noexcept override { return part_of(hash, passes_) == pass_; }
  void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* out) const override {
    std::uint64_t place[kTile];
    for (std::int64_t start = 0; start < count; start += kTile) {
      const std::int64_t tile = std::min(kTile, count - start);
      for (std::int64_t i = 0; i < tile; ++i) {
        place[i] = place_of(hash_integer(keys.integer(first + start + i)), rows_.size());
        __builtin_prefetch(&rows_[place[i]]);
        __builtin_prefetch(&keys_[place[i]]);
      }
      for (std::int64_t i = 0; i < tile; ++i) {
        const std::int64_t at = first + start + i;
        out[start + i] = keys.is_null(at) ? kNone : rows_[probe(keys.integer(at), place[i])];
      }
    }
  }

 private:
  std::uint64_t probe(std::int64_t key, std::uint64_t place) const noexcept {
    while (rows_[place] != kNone && keys_[place] != key) place = place + 1 == rows_.size() ? 0 : place + 1;
    return place;
  }
  void resize(std::uint64_t places) {
    keys_.assign(places, 0);
    rows_.assign(places, kNone);
  }
  void insert(std::int64_t key, std::uint32_t row, const std::string& what) {
    if (++used_ * 3 > rows_.size() * 2) grow();
    const std::uint64_t place = probe(key, place_of(hash_integer(key), rows_.size()));
    if (rows_[place] != kNone) fail_key_twice(what, std::to_string(key));
    keys_[place] = key;
    rows_[place] = row;
  }
  void grow() {
    const std::vector<std::int64_t> keys = std::move(keys_);
    const std::vector<std::uint32_t> rows = std::move(rows_);
    resize(rows.size() * 3 / 2);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == kNone) continue;
      const std::uint64_t place = probe(keys[i], place_of(hash_integer(keys[i]), rows_.size()));
      keys_[place] = keys[i];
      rows_[place] = rows[i];
    }
  }
  unsigned pass_;
  unsigned passes_;
  std::uint64_t used_ = 0;
  std::vector<std::int64_t> keys_;
  std::vector<std::uint32_t> rows_;
};

class BytesIndex final : public KeyIndex {
 public:
  BytesIndex(const std::string& stem, const KeyShape& shape, unsigned pass, unsigned passes,
             const std::string& what)
      : pass_(pass), passes_(passes) {
    ScratchReader lengths(stem + ".lengths", sizeof(std::uint32_t));
    ScratchReader rows(stem + ".rows", sizeof(std::uint32_t));
    ScratchReader bytes(stem + ".bytes", 1);
    ends_.push_back(0);
    resize(places_for(passes == 1 ? shape.num_keys : shape.num_keys / passes * 9 / 8 + 64));
    std::string key;
    for (std::uint64_t done = 0; done < shape.num_keys; done += kChunk) {
      const std::size_t count = std::min<std::uint64_t>(kChunk, shape.num_keys - done);
      std::uint32_t length[kChunk];
      std::uint32_t row[kChunk];
      lengths.read(length, count);
      rows.read(row, count);
      std::uint64_t total = 0;
      for (std::size_t i = 0; i < count; ++i) total += length[i];
      key.resize(total);
      bytes.read(key.data(), total);
      const char* at = key.data();
      for (std::size_t i = 0; i < count; at += length[i++]) add({at, length[i]}, row[i], what);
    }
  }
  bool is_integer() const noexcept override { return false; }
  bool covers(std::uint64_t hash) const noexcept override { return part_of(hash, passes_) == pass_; }
  void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* out) const override {
    std::string buffer[kTile];
    std::string_view key[kTile];
    std::uint64_t hash[kTile];
    for (std::int64_t start = 0; start < count; start += kTile) {
      const std::int64_t tile = std::min(kTile, count - start);
      for (std::int64_t i = 0; i < tile; ++i) {
        if (keys.is_null(first + start + i)) continue;
        key[i] = keys.bytes(first + start + i, buffer[i]);
        hash[i] = hash_bytes(key[i].data(), key[i].size());
        __builtin_prefetch(&slots_[place_of(hash[i], slots_.size())]);
      }
      for (std::int64_t i = 0; i < tile; ++i) {
        out[start + i] = kNone;
        if (keys.is_null(first + start + i)) continue;
        const std::uint32_t entry = slots_[probe(key[i], hash[i])].row;
        if (entry != kNone) out[start + i] = rows_[entry];
      }
    }
  }

 private:
  static constexpr std::size_t kChunk = 1024;

  std::string_view text(std::uint32_t entry) const noexcept {
    return {bytes_.data() + ends_[entry], ends_[entry + 1] - ends_[entry]};
  }
  std::uint64_t probe(std::string_view key, std::uint64_t hash) const noexcept {
    std::uint64_t place = place_of(hash, slots_.size());
    while (slots_[place].row != kNone &&
           (slots_[place].fingerprint != static_cast<std::uint32_t>(hash) || text(slots_[place].row) != key)) {
      place = place + 1 == slots_.size() ? 0 : place + 1;
    }
    return place;
  }
  void resize(std::uint64_t places) { slots_.assign(places, Slot{0, kNone}); }
  void add(std::string_view key, std::uint32_t row, const std::string& what) {
    const std::uint64_t hash = hash_bytes(key.data(), key.size());
    if (!covers(hash)) return;
    if ((rows_.size() + 1) * 3 > slots_.size() * 2) grow();
    Slot& slot = slots_[probe(key, hash)];
    if (slot.row != kNone) fail_key_twice(what, std::string("'").append(key).append("'"));
    slot = {static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(rows_.size())};
    bytes_.append(key);
    ends_.push_back(bytes_.size());
    rows_.push_back(row);
  }
  void grow() {
    resize(slots_.size() * 3 / 2);
    for (std::uint32_t entry = 0; entry < rows_.size(); ++entry) {
      const std::uint64_t hash = hash_bytes(text(entry).data(), text(entry).size());
      slots_[probe(text(entry), hash)] = {static_cast<std::uint32_t>(hash), entry};
    }
  }
  unsigned pass_;
  unsigned passes_;
  std::vector<Slot> slots_;
  std::vector<std::uint64_t> ends_;
  std::vector<std::uint32_t> rows_;
  std::string bytes_;
};

class LayeredIndex final : public KeyIndex {
 public:
  LayeredIndex(const KeyIndex& known, const KeyIndex& fresh) : known_(known), fresh_(fresh) {}
  bool is_integer() const noexcept override { return fresh_.is_integer(); }
  bool covers(std::uint64_t hash) const noexcept override { return fresh_.covers(hash); }
  void find(const KeyReader& keys, std::int64_t first, std::int64_t count, std::uint32_t* out) const override {
    std::uint32_t found[kTile];
    known_.find(keys, first, count, out);
    for (std::int64_t start = 0; start < count; start += kTile) {
      const std::int64_t tile = std::min(kTile, count - start);
      if (std::find(out + start, out + start + tile, kNone) == out + start + tile) continue;
      fresh_.find(keys, first + start, tile, found);
      for (std::int64_t i = 0; i < tile; ++i) {
        if (out[start + i] == kNone) out[start + i] = found[i];
      }
    }
  }

 private:
  const KeyIndex& known_;
  const KeyIndex& fresh_;
};

}  // namespace

std::unique_ptr<KeyIndex> layer_index(const KeyIndex& known, const KeyIndex& fresh) {
  return std::make_unique<LayeredIndex>(known, fresh);
}

void fail_key_twice(const std::string& what, const std::string& key) {
  throw Error(Fault::user, "GRAPH021", "the key " + key + " of " + what + " belongs to more than one row.",
              "choose key columns without repeated values, or prepare the tables again.");
}

std::uint64_t index_bytes(const KeyShape& shape) {
  if (shape.is_dense()) return shape.span() * sizeof(std::uint32_t);
  if (shape.is_integer) return places_for(shape.num_keys) * 12;
  return places_for(shape.num_keys) * sizeof(Slot) + shape.num_keys * 12 + shape.num_bytes;
}

std::unique_ptr<KeyIndex> load_index(const std::string& stem, const KeyShape& shape, unsigned pass,
                                     unsigned passes, const std::string& what) {
  if (passes == 1 && shape.is_dense()) return std::make_unique<DirectIndex>(stem, shape, what);
  if (shape.is_integer) return std::make_unique<IntegerIndex>(stem, shape, pass, passes, what);
  return std::make_unique<BytesIndex>(stem, shape, pass, passes, what);
}

}  // namespace weft
