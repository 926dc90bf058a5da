#include "groups.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <queue>
#include <vector>

#include "format.hpp"
#include "scratch.hpp"
#include "stablesort.hpp"
#include "tasks.hpp"

namespace weft {
namespace {

constexpr std::size_t kChunk = U32Stream::kChunk;

template <class Item>
class Sorter {
 public:
  Sorter(const GroupTask& task, GroupSink& sink)
      : task_(task), sink_(sink), all_(std::uint64_t{task.num_groups} + (task.keep_orphans ? 1 : 0)) {}

  void run() {
    const std::uint64_t most = std::max<std::uint64_t>(256, task_.budget / 4 / sizeof(std::uint32_t));
    for (std::uint64_t first = 0; first < all_; first += most) {
      const std::uint64_t last = std::min(first + most, all_);
      count(first, last);
      report_ends(first, last);
      for (std::uint64_t start = first; start < last;) start = sort_range(first, start, last);
    }
  }

 private:
  // The group of an item, or `all_` for an item that is left out.
  std::uint64_t group_of(std::uint32_t parent) const noexcept {
    return parent != kNone ? parent : task_.keep_orphans ? task_.num_groups : all_;
  }

  template <class Use>
  void each_parent(Use use) const {
    U32Stream parents(task_.parents);
    for (std::uint64_t done = 0; done < task_.count; done += kChunk) {
      const std::size_t size = std::min<std::uint64_t>(kChunk, task_.count - done);
      const std::uint32_t* parent = parents.next(size);
      for (std::size_t i = 0; i < size; ++i) use(group_of(parent[i]));
    }
  }

  template <class Use>
  void each_item(Use use) const {
    U32Stream parents(task_.parents), codes(task_.codes), lows(task_.lows), values(task_.values);
    for (std::uint64_t done = 0; done < task_.count; done += kChunk) {
      const std::size_t size = std::min<std::uint64_t>(kChunk, task_.count - done);
      const std::uint32_t* parent = parents.next(size);
      const std::uint32_t* code = codes.next(size);
      const std::uint32_t* low = lows.next(size);
      const std::uint32_t* value = values.next(size);
      for (std::size_t i = 0; i < size; ++i) {
        const auto position = static_cast<std::uint32_t>(task_.first_value + done + i);
        use(group_of(parent[i]), [&] {
          return Item::make(code ? code[i] : 0, low ? low[i] : 0, value ? value[i] : position);
        });
      }
    }
  }

  void count(std::uint64_t first, std::uint64_t last) {
    counts_.assign(last - first, 0);
    const std::uint64_t size = last - first;
    each_parent([&](std::uint64_t group) {
      if (group - first < size) ++counts_[group - first];
    });
  }

  void report_ends(std::uint64_t first, std::uint64_t last) {
    const std::uint64_t size = std::min<std::uint64_t>(last, task_.num_groups) - std::min<std::uint64_t>(first, task_.num_groups);
    std::vector<std::uint32_t> ends(kChunk);
    for (std::uint64_t start = 0; start < size; start += kChunk) {
      const std::size_t part = std::min<std::uint64_t>(kChunk, size - start);
      for (std::size_t i = 0; i < part; ++i) ends[i] = total_ += counts_[start + i];
      sink_.ends(ends.data(), part);
    }
  }

  // Sorts and emits as many groups from `start` on as memory holds; returns the next one.
  std::uint64_t sort_range(std::uint64_t first, std::uint64_t start, std::uint64_t last) {
    const std::uint64_t most = std::max<std::uint64_t>(64, task_.budget * 3 / 4 / sizeof(Item));
    std::uint64_t total = 0, largest = 0, end = start;
    for (; end < last; ++end) {
      const std::uint64_t size = counts_[end - first];
      const std::uint64_t with = std::max(largest, size);
      if (total + size + (with > 24 ? with * task_.threads : 0) > most) break;
      total += size;
      largest = with;
    }
    if (end == start) {
      sort_large(start, most);
      return start + 1;
    }
    sort_in_memory(&counts_[start - first], start, end, total);
    return end;
  }

  void sort_in_memory(const std::uint32_t* counts, std::uint64_t start, std::uint64_t end, std::uint64_t total) {
    const std::uint64_t size = end - start;
    std::vector<std::uint32_t> ends(size);  // first where a group starts, then where it ends
    std::uint32_t position = 0;
    for (std::uint64_t i = 0; i < size; ++i) {
      ends[i] = position;
      position += counts[i];
    }
    const std::unique_ptr<Item[]> items(new Item[total]);
    each_item([&](std::uint64_t group, auto item) {
      if (group - start < size) items[ends[group - start]++] = item();
    });
    if (!task_.codes.empty()) sort_groups_of(items.get(), ends, total);
    emit(items.get(), ends, start);
  }

  void sort_groups_of(Item* items, const std::vector<std::uint32_t>& ends, std::uint64_t total) {
    parallel_for(total, task_.threads, 65536, [&](unsigned, std::uint64_t first, std::uint64_t last) {
      // A group belongs to the part that holds its first item; empty groups have none.
      std::vector<Item> spare;
      std::uint64_t group = std::upper_bound(ends.begin(), ends.end(), first) - ends.begin();
      if (first > 0 && group < ends.size() && (group == 0 ? 0 : ends[group - 1]) < first) ++group;
      for (; group < ends.size(); ++group) {
        const std::uint64_t begin = group == 0 ? 0 : ends[group - 1];
        if (begin >= last) break;
        stable_sort_by_time(items + begin, ends[group] - begin, spare);
      }
    });
  }

  void emit(const Item* items, const std::vector<std::uint32_t>& ends, std::uint64_t start) {
    std::uint64_t position = 0;
    for (std::uint64_t group = 0; group < ends.size(); ++group) {
      for (; position < ends[group]; ++position) push(items[position], start + group);
    }
    flush();
  }

  void sort_large(std::uint64_t group, std::uint64_t most) {
    const std::uint64_t held = std::max<std::uint64_t>(32, most / 2);
    std::vector<Item> run, spare;
    std::vector<std::uint64_t> sizes;
    const auto spill = [&] {
      stable_sort_by_time(run.data(), run.size(), spare);
      ScratchWriter writer(run_path(sizes.size()));
      writer.append(run.data(), run.size() * sizeof(Item));
      writer.finish();
      sizes.push_back(run.size());
      run.clear();
    };
    run.reserve(held);
    each_item([&](std::uint64_t of, auto item) {
      if (of != group) return;
      run.push_back(item());
      if (run.size() == held) spill();
    });
    if (!run.empty()) spill();
    run = {};
    spare = {};
    merge(group, sizes, held);
    for (std::size_t i = 0; i < sizes.size(); ++i) ::remove(run_path(i).c_str());
  }

  void merge(std::uint64_t group, const std::vector<std::uint64_t>& sizes, std::uint64_t held) {
    struct Run {
      std::unique_ptr<ScratchReader> reader;
      std::vector<Item> items;
      std::uint64_t left = 0;
      std::size_t at = 0;
    };
    const std::size_t buffer = std::clamp<std::size_t>(held / sizes.size(), 16, 4096);
    std::vector<Run> runs(sizes.size());
    using Head = std::pair<std::uint64_t, std::size_t>;  // time, then run: earlier runs hold earlier items
    std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
    const auto refill = [&](std::size_t r) {
      Run& run = runs[r];
      if (run.at == run.items.size()) {
        run.items.resize(std::min<std::uint64_t>(buffer, run.left));
        run.left -= run.items.size();
        run.at = 0;
        if (run.items.empty()) return;
        run.reader->read(run.items.data(), run.items.size());
      }
      heads.emplace(run.items[run.at].time(), r);
    };
    for (std::size_t r = 0; r < sizes.size(); ++r) {
      runs[r].reader = std::make_unique<ScratchReader>(run_path(r), sizeof(Item));
      runs[r].left = sizes[r];
      refill(r);
    }
    while (!heads.empty()) {
      const std::size_t r = heads.top().second;
      heads.pop();
      push(runs[r].items[runs[r].at++], group);
      refill(r);
    }
    flush();
  }

  std::string run_path(std::size_t run) const { return task_.scratch + ".run" + std::to_string(run); }

  void push(const Item& item, std::uint64_t group) {
    values_[filled_] = item.value();
    codes_[filled_] = item.code();
    lows_[filled_] = item.low();
    groups_[filled_] = static_cast<std::uint32_t>(group);
    if (++filled_ == kChunk) flush();
  }

  void flush() {
    if (filled_ == 0) return;
    sink_.items(values_.data(), codes_.data(), task_.lows.empty() ? nullptr : lows_.data(), groups_.data(), filled_);
    filled_ = 0;
  }

  const GroupTask& task_;
  GroupSink& sink_;
  std::uint64_t all_;
  std::vector<std::uint32_t> counts_;
  std::uint32_t total_ = 0;
  std::size_t filled_ = 0;
  std::vector<std::uint32_t> values_ = std::vector<std::uint32_t>(kChunk);
  std::vector<std::uint32_t> codes_ = std::vector<std::uint32_t>(kChunk);
  std::vector<std::uint32_t> lows_ = std::vector<std::uint32_t>(kChunk);
  std::vector<std::uint32_t> groups_ = std::vector<std::uint32_t>(kChunk);
};

}  // namespace

void sort_groups(const GroupTask& task, GroupSink& sink) {
  if (task.lows.empty()) {
    Sorter<PlainItem>(task, sink).run();
  } else {
    Sorter<LowItem>(task, sink).run();
  }
}

}  // namespace weft
