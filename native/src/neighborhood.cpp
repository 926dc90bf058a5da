#include "neighborhood.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>

#include "random.hpp"

namespace weft {
namespace {

// A table that fits the first cache is worth growing now and then.
constexpr std::size_t kFirstEntries = std::size_t{1} << 11;

// A key is scope, table and row, from high bits to low: what start() admits fits.
constexpr unsigned kTableShift = 32;
constexpr unsigned kScopeShift = 50;
constexpr std::size_t kMostTables = std::size_t{1} << (kScopeShift - kTableShift);
constexpr std::size_t kMostScopes = std::size_t{1} << (64 - kScopeShift);

}  // namespace

void Neighborhood::start(ChunkResult& result, std::size_t num_scopes) {
  if (result.tables.size() > kMostTables || num_scopes > kMostScopes) {
    throw std::length_error("more tables or scopes than the keys of a neighborhood tell apart");
  }
  result_ = &result;
  slots_.assign(num_scopes, 0);
  if (entries_.empty()) entries_.resize(kFirstEntries);
  // Chunks of one sampling are alike: start with room for what the last one held.
  capacity_ = std::min(entries_.size(), std::max(kFirstEntries, std::bit_ceil(used_ * 4 + 1)));
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(capacity_));
  used_ = 0;
  if (++chunk_ == 0) {  // after 2^32 chunks old entries would look new
    entries_.assign(entries_.size(), Entry{});
    chunk_ = 1;
  }
}

std::uint64_t Neighborhood::key_of(std::uint32_t table, std::uint32_t scope, std::uint32_t row) noexcept {
  return std::uint64_t{row} | std::uint64_t{table} << kTableShift | std::uint64_t{scope} << kScopeShift;
}

std::size_t Neighborhood::home(std::uint64_t key) const noexcept {
  return static_cast<std::size_t>(mix(key) >> shift_);
}

void Neighborhood::reserve(std::size_t more) {
  if ((used_ + more) * 3 <= capacity_ * 2) return;
  std::vector<Entry> held;
  held.reserve(used_);
  for (std::size_t i = 0; i < capacity_; ++i) {
    if (entries_[i].chunk == chunk_) held.push_back(entries_[i]);
    entries_[i].chunk = 0;
  }
  capacity_ = std::bit_ceil((used_ + more) * 2 + 1);
  if (entries_.size() < capacity_) entries_.resize(capacity_);
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(capacity_));
  for (const Entry& entry : held) {
    std::size_t at = home(entry.key);
    while (entries_[at].chunk == chunk_) at = (at + 1) & (capacity_ - 1);
    entries_[at] = entry;
  }
}

std::uint32_t Neighborhood::insert(std::uint32_t table, std::uint32_t scope, std::uint32_t row, std::int64_t age_us) {
  reserve(1);
  const std::uint64_t key = key_of(table, scope, row);
  std::size_t at = home(key);
  for (;; at = (at + 1) & (capacity_ - 1)) {
    if (entries_[at].chunk != chunk_) break;
    if (entries_[at].key == key) return entries_[at].position;
  }
  ChunkRows& rows = result_->tables[table];
  const auto position = static_cast<std::uint32_t>(rows.row.size());
  entries_[at] = {key, position, chunk_};
  ++used_;
  rows.row.push_back(row);
  rows.scope.push_back(scope);
  rows.slot.push_back(slots_[scope]++);
  rows.age_us.push_back(age_us);
  return position;
}

void Neighborhood::add(std::uint32_t table, std::uint32_t edge_kind, std::uint32_t first_target,
                       std::span<const Ask> asks, std::span<const std::int64_t> anchors_us,
                       const Reached& reached) {
  const std::size_t total = reached.row.size();
  reserve(total);
  homes_.resize(total);
  // What is stored below may alias members, for all the compiler knows: they are read once, here.
  Entry* const entries = entries_.data();
  Entry* const last = entries + (capacity_ - 1);
  Entry** const homes = homes_.data();
  std::uint32_t* const slots = slots_.data();
  const std::uint32_t* const counts = reached.count.data();
  const std::uint32_t* const rows_reached = reached.row.data();
  const std::int64_t* const times = reached.time_us.data();
  const std::uint32_t chunk = chunk_;
  const unsigned shift = shift_;
  for (std::size_t i = 0, j = 0; i < asks.size(); ++i) {
    const std::uint64_t base = key_of(table, asks[i].scope, 0);
    for (const std::size_t end = j + counts[i]; j < end; ++j) {
      homes[j] = entries + (mix(base | rows_reached[j]) >> shift);
      __builtin_prefetch(homes[j], 1);
    }
  }
  ChunkRows& rows = result_->tables[table];
  ChunkEdges& edges = result_->kinds[edge_kind];
  const auto before = static_cast<std::uint32_t>(rows.row.size());
  std::uint32_t* const row = rows.row.grow(total);
  std::uint32_t* const scope_of = rows.scope.grow(total);
  std::uint32_t* const slot = rows.slot.grow(total);
  std::int64_t* const age = rows.age_us.grow(total);
  std::uint32_t* const source = edges.source.grow(total);
  std::uint32_t* const target = edges.target.grow(total);
  std::uint32_t added = 0;
  for (std::size_t i = 0, j = 0; i < asks.size(); ++i) {
    const std::uint32_t scope = asks[i].scope;
    const std::int64_t anchor = anchors_us[scope];
    const std::uint64_t base = key_of(table, scope, 0);
    std::uint32_t next_slot = slots[scope];
    for (const std::size_t end = j + counts[i]; j < end; ++j) {
      const std::uint64_t key = base | rows_reached[j];
      Entry* entry = homes[j];
      while (entry->chunk == chunk && entry->key != key) entry = entry == last ? entries : entry + 1;
      std::uint32_t position = entry->position;
      if (entry->chunk != chunk) {
        position = before + added;
        *entry = {key, position, chunk};
        row[added] = rows_reached[j];
        scope_of[added] = scope;
        slot[added] = next_slot++;
        age[added] = times[j] == kNoTime ? kNoTime : age_at(anchor, times[j]);
        ++added;
      }
      source[j] = position;
      target[j] = first_target + static_cast<std::uint32_t>(i);
    }
    slots[scope] = next_slot;
  }
  used_ += added;
  rows.row.commit(added);
  rows.scope.commit(added);
  rows.slot.commit(added);
  rows.age_us.commit(added);
  edges.source.commit(total);
  edges.target.commit(total);
}

void Neighborhood::end_hop() {
  for (ChunkRows& rows : result_->tables) rows.end.push_back(static_cast<std::uint32_t>(rows.row.size()));
  for (ChunkEdges& edges : result_->kinds) edges.end.push_back(static_cast<std::uint32_t>(edges.source.size()));
}

}  // namespace weft
