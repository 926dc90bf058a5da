#include "timeorder.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <type_traits>

#include "error.hpp"
#include "stablesort.hpp"
#include "tasks.hpp"

namespace weft {
namespace {

constexpr std::uint64_t kLeastRows = 1 << 16;

std::uint64_t distance(std::int64_t from, std::int64_t to) noexcept {
  return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
}

// The newest time of a segment that has times.
std::int64_t newest_of(const TableSegment& segment) {
  const auto* codes = segment.time.as<std::uint32_t>();
  const std::uint32_t newest = *std::max_element(codes, codes + segment.num_rows);
  if (newest == 0) return kNoTime;
  const std::int64_t rounded = segment.origin_us + segment.unit_us * (static_cast<std::int64_t>(newest) - 1);
  if (!segment.low) return rounded;
  return rounded + std::min(segment.unit_us - 1, std::numeric_limits<std::int64_t>::max() - std::max<std::int64_t>(rounded, 0));
}

std::uint32_t number_of(const Table& table, const TableSegment& segment, std::uint32_t local) {
  const std::uint64_t number =
      segment.source ? segment.source.as<std::uint32_t>()[local] : segment.first_source + local;
  if (number < table.num_rows) return static_cast<std::uint32_t>(number);
  throw Error(Fault::user, "GRAPH006",
              "'" + segment.source.path() + "' names row " + std::to_string(number) + " of '" + table.name +
                  "', which has " + std::to_string(table.num_rows) + ".",
              "materialize the graph again from its tables.");
}

}  // namespace

// Keeps 32 bits per time where all are multiples of a unit that makes them fit.
void TimeOrder::plan_codes(const Table& table) {
  std::int64_t newest = kNoTime;
  for (const TableSegment& segment : table.segments) {
    if (!segment.time || segment.num_rows == 0) continue;
    segment.time.need_all();
    if (segment.low) segment.low.need_all();
    origin_us_ = has_times_ ? std::min(origin_us_, segment.origin_us) : segment.origin_us;
    newest = std::max(newest, newest_of(segment));
    has_times_ = true;
  }
  if (newest == kNoTime) has_times_ = false;
  if (!has_times_) return;
  std::uint64_t unit = 0;
  for (const TableSegment& segment : table.segments) {
    if (!segment.time || segment.num_rows == 0) continue;
    unit = std::gcd(unit, segment.low ? 1 : static_cast<std::uint64_t>(segment.unit_us));
    unit = std::gcd(unit, distance(origin_us_, segment.origin_us));
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  is_wide_ = distance(origin_us_, newest) / unit >= kMost;
  unit_us_ = is_wide_ ? 1 : unit;
}

template <class Item>
void TimeOrder::sort_rows(const Table& table, unsigned threads) {
  std::vector<Item> items(size_);
  for (const TableSegment& segment : table.segments) {
    if (segment.source) segment.source.need_all();
    parallel_for(segment.num_rows, threads, kLeastRows, [&](unsigned, std::uint64_t first, std::uint64_t last) {
      for (std::uint64_t i = first; i < last; ++i) {
        const auto local = static_cast<std::uint32_t>(i);
        std::uint64_t when = 0;
        if (segment.time) {
          const std::int64_t time = segment.time_us(local, segment.time.as<std::uint32_t>()[local]);
          if (time != kNoTime) when = distance(origin_us_, time) / unit_us_ + 1;
        }
        const bool is_wide = std::is_same_v<Item, LowItem>;
        items[number_of(table, segment, local)] =
            Item::make(static_cast<std::uint32_t>(is_wide ? when >> 32 : when), static_cast<std::uint32_t>(when),
                       segment.first_row + local);
      }
    });
  }
  // Items are in order of their numbers, which a stable sort keeps among equal times.
  std::vector<Item> spare;
  stable_sort_by_time(items.data(), items.size(), spare);
  values_.resize(size_);
  if (has_times_ && is_wide_) wide_codes_.resize(size_);
  if (has_times_ && !is_wide_) codes_.resize(size_);
  for (std::uint32_t i = 0; i < size_; ++i) {
    values_[i] = items[i].value();
    if (!codes_.empty()) codes_[i] = static_cast<std::uint32_t>(items[i].time());
    if (!wide_codes_.empty()) wide_codes_[i] = items[i].time();
  }
}

TimeOrder TimeOrder::of_rows(const Graph& graph, std::uint32_t table, unsigned threads) {
  const Table& found = graph.tables[table];
  TimeOrder order;
  order.size_ = found.num_rows;
  order.plan_codes(found);
  const bool is_numbered =
      std::any_of(found.segments.begin(), found.segments.end(), [](const TableSegment& segment) {
        return segment.source || segment.first_source != segment.first_row;
      });
  if (!order.has_times_ && !is_numbered) return order;
  if (order.is_wide_) {
    order.sort_rows<LowItem>(found, threads);
  } else {
    order.sort_rows<PlainItem>(found, threads);
  }
  return order;
}

TimeOrder TimeOrder::of_parents(const Graph& graph, std::uint32_t link, unsigned threads) {
  const Link& found = graph.links[link];
  const Table& child = graph.tables[found.child];
  TimeOrder order = of_rows(graph, found.child, threads);
  if (order.values_.empty()) {
    order.values_.resize(order.size_);
    std::iota(order.values_.begin(), order.values_.end(), 0u);
  }
  for (const LinkSegment& segment : found.segments) segment.parent.need_all();
  parallel_for(order.size_, threads, kLeastRows, [&](unsigned, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i) {
      const std::size_t segment = child.segment_of(order.values_[i]);
      const std::uint32_t local = order.values_[i] - child.segments[segment].first_row;
      order.values_[i] = found.segments[segment].parent.as<std::uint32_t>()[local];
    }
  });
  return order;
}

std::uint32_t TimeOrder::visible(std::int64_t anchor_us) const noexcept {
  if (!has_times_) return size_;
  const bool is_before = anchor_us < origin_us_;
  const std::uint64_t steps = is_before ? 0 : distance(origin_us_, anchor_us) / unit_us_ + 1;
  if (is_wide_) {
    return static_cast<std::uint32_t>(std::upper_bound(wide_codes_.begin(), wide_codes_.end(), steps) -
                                      wide_codes_.begin());
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto code = static_cast<std::uint32_t>(std::min(steps, kMost));
  return static_cast<std::uint32_t>(std::upper_bound(codes_.begin(), codes_.end(), code) - codes_.begin());
}

}  // namespace weft
