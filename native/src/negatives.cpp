#include "negatives.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "candidates.hpp"
#include "children.hpp"
#include "tasks.hpp"

namespace weft {
namespace {

constexpr std::size_t kChunk = 256;   // seeds per task
constexpr std::uint32_t kTile = 16;   // positions fetched at a time
constexpr std::uint64_t kSalt = 0x6E65676174697665u;

// The positives of all seeds in canonical order, with their repetitions.
struct Pool {
  std::vector<std::int64_t> times;
  std::vector<std::uint32_t> rows;

  Pool(const Graph& graph, std::uint32_t table, std::span<const std::uint32_t> positives) {
    struct Entry {
      std::int64_t time;
      std::uint64_t number;
      std::uint32_t row;
      bool operator<(const Entry& other) const noexcept {
        return time != other.time ? time < other.time : number < other.number;
      }
    };
    std::vector<Entry> entries;
    entries.reserve(positives.size());
    for (const std::uint32_t row : positives) {
      if (row == kNone) continue;
      graph.check_row(table, row);
      entries.push_back({graph.time_us(table, row), graph.source_row(table, row), row});
    }
    std::sort(entries.begin(), entries.end());
    for (const Entry& entry : entries) {
      times.push_back(entry.time);
      rows.push_back(entry.row);
    }
  }
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(rows.size()); }
  std::uint32_t visible(std::int64_t anchor_us) const noexcept {
    return static_cast<std::uint32_t>(std::upper_bound(times.begin(), times.end(), anchor_us) - times.begin());
  }
  std::uint32_t at(std::uint32_t position) const noexcept { return rows[position]; }
  void prefetch(std::uint32_t) const noexcept {}
};

// What is the same for all seeds of one anchor.
struct Anchor {
  std::int64_t us = kNoTime;
  std::uint32_t positions = 0;  // visible ones of what is drawn from
  std::uint32_t rows = 0;       // visible rows of the table
  std::vector<Limit> limits;
  bool is_set = false;
};

// What a thread keeps from seed to seed.
struct Workspace {
  Drawn drawn;
  Waiting waiting;
  RowSet excluded, own;
  std::vector<std::uint32_t> listed;
};

// Draws for one seed after another. `Urn` gives a row, or kNone, by position in canonical order.
template <class Urn>
class Drawing {
 public:
  Drawing(const Graph& graph, const NegativeOptions& options, const NegativeSeeds& seeds, const Urn& urn,
          Workspace& work)
      : graph_(graph), options_(options), seeds_(seeds), urn_(urn), work_(work) {
    const auto& segments = graph.tables[options.table].segments;
    // Positions of the table itself that are visible hold visible rows; those of its children may not.
    needs_time_ = options.choice == NegativeChoice::popularity &&
                  std::any_of(segments.begin(), segments.end(),
                              [](const TableSegment& segment) { return static_cast<bool>(segment.time); });
    base_ = join(join(mix(options.seed), options.epoch), kSalt + static_cast<std::uint64_t>(options.choice));
  }

  void draw(std::size_t seed, std::uint32_t num, std::uint32_t* out) {
    look(seeds_.anchors_us[seed]);
    work_.excluded.start(seeds_.excluded.of(seed));
    work_.own.start(seeds_.positives.of(seed));
    work_.drawn.start(out, num);
    const std::uint64_t anchor = static_cast<std::uint64_t>(seeds_.anchors_us[seed]);
    const std::uint64_t key = join(join(base_, anchor), seeds_.keys[seed]);
    if (anchor_.positions > 0 && anchor_.rows > num) reject(key);
    if (anchor_.positions > 0 && !work_.drawn.is_full()) list(mix(key), num - work_.drawn.count());
    std::fill(out + work_.drawn.count(), out + num, kNone);
  }

 private:
  void look(std::int64_t anchor_us) {
    if (anchor_.is_set && anchor_.us == anchor_us) return;
    anchor_.us = anchor_us;
    anchor_.is_set = true;
    anchor_.positions = urn_.visible(anchor_us);
    anchor_.rows = anchor_.positions;
    if (options_.choice == NegativeChoice::popularity) anchor_.rows = options_.rows->visible(anchor_us);
    anchor_.limits.clear();
  }

  bool is_candidate(std::uint32_t row) {
    if (row == kNone || work_.excluded.has(row) || work_.own.has(row)) return false;
    return !needs_time_ || graph_.time_us(options_.table, row) <= anchor_.us;
  }

  // Listing the rows of a table by popularity costs about four tries each, listing positions one.
  bool is_listed_by_row() const noexcept {
    return options_.choice == NegativeChoice::popularity && anchor_.rows < anchor_.positions;
  }

  // Each try is a draw from all positions, and what repeats is left out, as if it were not among those left.
  // Where this ends says nothing about later draws, which depend on what was drawn alone.
  void reject(std::uint64_t key) {
    Drawn& drawn = work_.drawn;
    Draws draws(key);
    const std::uint64_t steps = is_listed_by_row() ? 4 * std::uint64_t{anchor_.rows} : anchor_.positions;
    std::uint64_t left = 64 + steps;
    std::uint32_t tile[kTile];
    while (!drawn.is_full() && left > 0) {
      const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, kTile));
      for (std::uint32_t i = 0; i < count; ++i) {
        tile[i] = draws.below(anchor_.positions);
        urn_.prefetch(tile[i]);
      }
      for (std::uint32_t i = 0; i < count && !drawn.is_full(); ++i) {
        const std::uint32_t row = urn_.at(tile[i]);
        if (!drawn.has(row) && is_candidate(row)) drawn.add(row);
      }
      left -= count;
    }
  }

  void list(std::uint64_t key, std::uint32_t wanted) {
    work_.waiting.start(key, wanted);
    if (is_listed_by_row()) {
      list_rows();
    } else {
      list_positions();
    }
    work_.waiting.finish([&](std::uint32_t row) { work_.drawn.add(row); });
  }

  void offer(std::uint32_t row, double weight) {
    if (work_.drawn.has(row) || !is_candidate(row)) return;
    work_.waiting.add(graph_.source_row(options_.table, row), row, weight);
  }

  void list_positions() {
    std::vector<std::uint32_t>& listed = work_.listed;
    listed.clear();
    for (std::uint32_t position = 0; position < anchor_.positions; ++position) listed.push_back(urn_.at(position));
    if (options_.choice == NegativeChoice::popularity) std::sort(listed.begin(), listed.end());
    for (std::size_t first = 0, last = 0; first < listed.size(); first = last) {
      while (last < listed.size() && listed[last] == listed[first]) ++last;
      offer(listed[first], static_cast<double>(last - first));
    }
  }

  void list_rows() {
    if (anchor_.limits.empty()) {
      anchor_.limits.resize(graph_.num_limits);
      graph_.limits(anchor_.us, anchor_.limits.data());
    }
    for (std::uint32_t position = 0; position < anchor_.rows; ++position) {
      const std::uint32_t row = options_.rows->at(position);
      const std::uint32_t count = num_visible_children(graph_, options_.link, row, anchor_.limits.data());
      if (count > 0) offer(row, count);
    }
  }

  const Graph& graph_;
  const NegativeOptions& options_;
  const NegativeSeeds& seeds_;
  const Urn& urn_;
  Workspace& work_;
  Anchor anchor_;
  bool needs_time_ = false;
  std::uint64_t base_ = 0;
};

template <class Urn>
void run(const Graph& graph, const NegativeOptions& options, const NegativeSeeds& seeds, const Urn& urn,
         std::uint32_t num, std::size_t threads, std::uint32_t* out) {
  const std::size_t num_seeds = seeds.keys.size();
  for_each_task((num_seeds + kChunk - 1) / kChunk, threads, [&](std::size_t chunk) {
    thread_local Workspace work;
    Drawing<Urn> drawing(graph, options, seeds, urn, work);
    const std::size_t end = std::min(num_seeds, (chunk + 1) * kChunk);
    for (std::size_t seed = chunk * kChunk; seed < end; ++seed) drawing.draw(seed, num, out + seed * num);
  });
}

}  // namespace

void sample_negatives(const Graph& graph, const NegativeOptions& options, const NegativeSeeds& seeds,
                      std::uint32_t num, std::size_t threads, std::uint32_t* out) {
  if (num == 0) return;
  if (options.choice == NegativeChoice::in_batch) {
    run(graph, options, seeds, Pool(graph, options.table, seeds.positives.rows), num, threads, out);
  } else {
    const bool is_uniform = options.choice == NegativeChoice::uniform;
    run(graph, options, seeds, is_uniform ? *options.rows : *options.parents, num, threads, out);
  }
}

}  // namespace weft
