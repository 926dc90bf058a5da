// Items grouped by parent and sorted by time within a group, in bounded memory.
#pragma once

#include <cstdint>
#include <string>

namespace weft {

// What is sorted: scratch files of u32, one item after another in order of the prepared table.
struct GroupTask {
  std::string parents;             // group of each item, kNone for none
  std::string codes;               // time codes; empty: no item has a time
  std::string lows;                // below the codes; empty: all zero
  std::string values;              // what is carried along; empty: first_value + position
  std::uint64_t count = 0;
  std::uint32_t first_value = 0;
  std::uint32_t num_groups = 0;
  bool keep_orphans = false;       // items without a group form a last one
  std::string scratch;             // stem of files for a group that memory does not hold
  std::uint64_t budget = 0;        // bytes
  unsigned threads = 1;
};

// Receives groups in order, each sorted by (code, low, position).
class GroupSink {
 public:
  virtual ~GroupSink() = default;
  // `ends[g]` is the number of items up to and with the g-th of successive groups, over all groups so far.
  virtual void ends(const std::uint32_t* ends, std::uint64_t count) = 0;
  // Successive items; `group` is num_groups for those without one. `lows` is nullptr where the task has none.
  virtual void items(const std::uint32_t* values, const std::uint32_t* codes, const std::uint32_t* lows,
                     const std::uint32_t* groups, std::uint64_t count) = 0;
};

// A pass over the parents counts, then each range of groups that the budget holds takes a pass: a counting
// sort by group that keeps the order of items, and a stable sort by time within each group, in parallel. A
// group that is larger than the budget is sorted in runs, which are merged from disk.
//
// Guarantee: the same sequence for any budget and any number of threads.
void sort_groups(const GroupTask& task, GroupSink& sink);

}  // namespace weft
