// The rows of a table from the oldest to the newest, whatever the layout of the graph.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph.hpp"

namespace weft {

// A value per row of a table, in canonical order: rows without time first, then by time, equal ones by their
// number in the prepared table. What is visible from an anchor is a prefix. Rows that are appended later than
// an anchor do not change it.
//
// Memory: 4 bytes per row, and 4 more where the table has times (8 where they do not fit 32 bits); nothing
// where the order is that of the rows. Building takes 16 (32) bytes per row more and O(rows).
class TimeOrder {
 public:
  // The rows themselves.
  static TimeOrder of_rows(const Graph& graph, std::uint32_t table, unsigned threads);
  // The parent of each row of the link's child table, kNone where it has none.
  static TimeOrder of_parents(const Graph& graph, std::uint32_t link, unsigned threads);

  std::uint32_t size() const noexcept { return size_; }
  // How many of the first values belong to rows that are not later than an anchor. O(log rows).
  std::uint32_t visible(std::int64_t anchor_us) const noexcept;
  std::uint32_t at(std::uint32_t position) const noexcept {
    return values_.empty() ? position : values_[position];
  }
  void prefetch(std::uint32_t position) const noexcept {
    if (!values_.empty()) __builtin_prefetch(values_.data() + position);
  }
  std::size_t size_bytes() const noexcept { return 4 * (values_.size() + codes_.size()) + 8 * wide_codes_.size(); }

 private:
  template <class Item>
  void sort_rows(const Table& table, unsigned threads);
  void plan_codes(const Table& table);

  std::uint32_t size_ = 0;
  std::vector<std::uint32_t> values_;  // empty: the positions themselves
  // Times in units from the origin, counted from 1; 0 for a row without time. At most one of both is filled.
  std::vector<std::uint32_t> codes_;
  std::vector<std::uint64_t> wide_codes_;
  bool has_times_ = false;
  bool is_wide_ = false;
  std::int64_t origin_us_ = 0;
  std::uint64_t unit_us_ = 1;
};

}  // namespace weft
