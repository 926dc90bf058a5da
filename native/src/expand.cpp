#include "expand.hpp"

#include <algorithm>
#include <array>

#include "children.hpp"

namespace weft {
namespace {

// Asks that are in flight together: enough to hide memory's latency, few enough to stay in the first cache.
constexpr std::size_t kBlock = 64;
// Rows of one parent lie side by side, so that fewer of these reads are far apart.
constexpr std::size_t kParentBlock = 256;

bool is_link_excluded(const Exclusions& exclusions, std::uint32_t link, std::uint32_t parent, std::uint32_t child,
                      std::uint32_t scope) {
  return exclusions.has(link) && exclusions.is_excluded(link, parent, child, scope);
}

// Parents of a block of rows. One pass per dependent read.
void parents_of_block(const Graph& graph, std::uint32_t link_index, std::span<const Ask> asks, const Scopes& scopes,
                      const Exclusions& exclusions, std::uint32_t first_scope, Reached& out) {
  const Link& link = graph.links[link_index];
  const Table& children = graph.tables[link.child];
  const Table& parents = graph.tables[link.parent];
  std::array<std::uint32_t, kParentBlock> segment;
  std::array<std::uint32_t, kParentBlock> parent;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    segment[i] = static_cast<std::uint32_t>(children.segment_of(asks[i].row));
    __builtin_prefetch(link.segments[segment[i]].parent.as<std::uint32_t>() +
                       (asks[i].row - children.segments[segment[i]].first_row));
  }
  for (std::size_t i = 0; i < asks.size(); ++i) {
    const LinkSegment& edges = link.segments[segment[i]];
    const std::uint32_t local = asks[i].row - children.segments[segment[i]].first_row;
    edges.parent.need(std::uint64_t{local} * 4, 4);
    parent[i] = edges.parent.as<std::uint32_t>()[local];
    if (parent[i] == kNone) continue;
    segment[i] = static_cast<std::uint32_t>(parents.segment_of(parent[i]));
    const TableSegment& rows = parents.segments[segment[i]];
    if (rows.time) __builtin_prefetch(rows.time.as<std::uint32_t>() + (parent[i] - rows.first_row));
  }
  std::uint32_t* counts = out.count.grow(asks.size());
  std::uint32_t* reached = out.row.grow(asks.size());
  std::int64_t* times = out.time_us.grow(asks.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    counts[i] = 0;
    if (parent[i] == kNone) continue;
    const TableSegment& rows = parents.segments[segment[i]];
    const std::uint32_t local = parent[i] - rows.first_row;
    std::int64_t time = kNoTime;
    if (rows.time) {
      rows.time.need(std::uint64_t{local} * 4, 4);
      const std::uint32_t code = rows.time.as<std::uint32_t>()[local];
      if (!is_visible(rows, local, code, scopes.limit(asks[i].scope, parents.first_limit + segment[i]))) continue;
      time = rows.time_us(local, code);
    }
    if (is_link_excluded(exclusions, link_index, parent[i], asks[i].row, first_scope + asks[i].scope)) continue;
    counts[i] = 1;
    reached[kept] = parent[i];
    times[kept] = time;
    ++kept;
  }
  out.count.commit(asks.size());
  out.row.commit(kept);
  out.time_us.commit(kept);
}

// Where the codes of a link's children are, in one segment: beside the children, or in their rows' times.
struct Codes {
  const MappedFile* file;
  const std::uint32_t* first;
  std::uint32_t step;  // in words

  Codes(const TableSegment& rows, const LinkSegment& edges)
      : file(edges.children ? &edges.children : &rows.time),
        first(file->as<std::uint32_t>() + (edges.children ? 1 : 0)),
        step(edges.children ? 2 : 1) {}
  std::uint32_t at(std::uint32_t position) const {
    file->need(std::uint64_t{position} * step * 4, std::uint64_t{step} * 4);
    return first[std::uint64_t{position} * step];
  }
  void prefetch(std::uint32_t position) const noexcept { __builtin_prefetch(first + std::uint64_t{position} * step); }
};

// Children of one segment, for a block of rows: the whole of a graph that was built at once.
class ChildrenOfBlock {
 public:
  ChildrenOfBlock(const Table& children, const LinkSegment& edges, const Strategy& strategy,
                  std::span<const Ask> asks, const Scopes& scopes, Reached& out)
      : rows_(children.segments[0]),
        first_limit_(children.first_limit),
        edges_(edges),
        codes_(rows_, edges),
        strategy_(strategy),
        asks_(asks),
        scopes_(scopes),
        out_(out) {}

  void run() {
    find_ranges();
    if (rows_.time) {
      find_visible();
      if (strategy_.choice == Choice::window) find_window();
    }
    choose();
    take();
  }

 private:
  void find_ranges() {
    for (const Ask& ask : asks_) edges_.prefetch(ask.row);
    for (std::size_t i = 0; i < asks_.size(); ++i) {
      const auto [first, end] = edges_.range(asks_[i].row);
      first_[i] = first;
      end_[i] = end;
      timeless_[i] = 0;
      if (rows_.time && end > first) codes_.prefetch(end - 1);
    }
  }

  // Moves end_ to the first child that is later than the anchor, all searches of the block side by side.
  void find_visible() {
    std::size_t open = 0;
    for (std::size_t i = 0; i < asks_.size(); ++i) {
      if (end_[i] == first_[i] || sees(i, end_[i] - 1, limit(i))) continue;
      low_[open] = first_[i];
      searching_[open++] = static_cast<std::uint32_t>(i);
      --end_[i];
      codes_.prefetch(first_[i] + (end_[i] - first_[i]) / 2);
    }
    while (open > 0) {
      std::size_t left = 0;
      for (std::size_t j = 0; j < open; ++j) {
        const std::uint32_t i = searching_[j];
        std::uint32_t low = low_[j];
        if (low < end_[i]) {
          const std::uint32_t middle = low + (end_[i] - low) / 2;
          if (sees(i, middle, limit(i))) {
            low = middle + 1;
          } else {
            end_[i] = middle;
          }
        }
        if (low == end_[i]) continue;
        codes_.prefetch(low + (end_[i] - low) / 2);
        low_[left] = low;
        searching_[left++] = i;
      }
      open = left;
    }
  }

  // Moves first_ past the timed children that are too old; children without time stay, counted apart.
  void find_window() {
    for (std::size_t i = 0; i < asks_.size(); ++i) {
      const std::int64_t anchor = scopes_.anchor_us(asks_[i].scope);
      const std::int64_t after = anchor < kNoTime + 1 + strategy_.span_us ? kNoTime + 1 : anchor - strategy_.span_us;
      const std::uint32_t timed = first_later(first_[i], end_[i], i, Limit{0, 0});
      timeless_[i] = timed - first_[i];
      start_[i] = first_[i];
      first_[i] = first_later(timed, end_[i], i, rows_.limit(after));
    }
  }

  std::uint32_t first_later(std::uint32_t low, std::uint32_t high, std::size_t i, Limit limit) {
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (sees(i, middle, limit)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  void choose() {
    positions_.clear();
    for (std::size_t i = 0; i < asks_.size(); ++i) {
      const std::uint32_t timed = end_[i] - first_[i];
      const std::uint32_t count = timed + timeless_[i];
      const std::size_t before = positions_.size();
      choose_for(i, count);
      const std::size_t chosen = positions_.size() - before;
      counts_[i] = static_cast<std::uint32_t>(chosen);
      for (std::size_t j = before; j < positions_.size(); ++j) {
        const std::uint32_t position = positions_[j];
        positions_[j] = position < timeless_[i] ? start_[i] + position : first_[i] + (position - timeless_[i]);
        if (rows_.time) {
          codes_.prefetch(positions_[j]);
        } else if (edges_.children) {
          __builtin_prefetch(edges_.children.as<std::uint32_t>() + positions_[j]);
        }
      }
    }
  }

  void choose_for(std::size_t i, std::uint32_t count) {
    switch (strategy_.choice) {
      case Choice::last:
      case Choice::window: {
        const std::uint32_t taken = std::min(count, strategy_.fanout);
        std::uint32_t* to = positions_.grow(taken);
        for (std::uint32_t j = 0; j < taken; ++j) to[j] = count - 1 - j;
        positions_.commit(taken);
        return;
      }
      case Choice::uniform:
        choose_uniform(count, strategy_.fanout, Draws(asks_[i].key), positions_);
        return;
      case Choice::recent: {
        const std::int64_t anchor = scopes_.anchor_us(asks_[i].scope);
        const auto age = [&](std::uint32_t position) -> std::int64_t {
          const std::int64_t time = time_at(first_[i] + position);
          return time == kNoTime ? -1 : age_at(anchor, time);
        };
        choose_recent(count, strategy_.fanout, static_cast<double>(strategy_.span_us), age, Draws(asks_[i].key),
                      positions_);
        return;
      }
    }
  }

  void take() {
    const std::size_t count = positions_.size();
    std::uint32_t* reached = out_.row.grow(count);
    std::int64_t* times = out_.time_us.grow(count);
    for (std::size_t j = 0; j < count; ++j) {
      const std::uint32_t position = positions_[j];
      reached[j] = child_row(rows_, edges_, position);
      times[j] = time_at(position);
    }
    out_.row.commit(count);
    out_.time_us.commit(count);
    std::uint32_t* counts = out_.count.grow(asks_.size());
    std::copy_n(counts_.begin(), asks_.size(), counts);
    out_.count.commit(asks_.size());
  }

  std::int64_t time_at(std::uint32_t position) const {
    if (!rows_.time) return kNoTime;
    if (rows_.low) return child_time_us(rows_, edges_, position);
    const std::uint32_t code = codes_.at(position);
    return code == 0 ? kNoTime : rows_.origin_us + rows_.unit_us * (static_cast<std::int64_t>(code) - 1);
  }
  Limit limit(std::size_t i) const noexcept { return scopes_.limit(asks_[i].scope, first_limit_); }
  bool sees(std::size_t, std::uint32_t position, Limit limit) const {
    const std::uint32_t code = codes_.at(position);
    if (code != limit.code) return code < limit.code;
    if (!rows_.low) return true;
    return is_child_visible(rows_, edges_, position, limit);
  }

  const TableSegment& rows_;
  std::uint32_t first_limit_;
  const LinkSegment& edges_;
  Codes codes_;
  const Strategy& strategy_;
  std::span<const Ask> asks_;
  const Scopes& scopes_;
  Reached& out_;
  std::array<std::uint32_t, kBlock> first_, end_, start_, timeless_, counts_, low_, searching_;
  Growing<std::uint32_t> positions_;
};

// The general case: several segments, or children that must be left out.
void children_of_one(const Graph& graph, std::uint32_t link, const Strategy& strategy, const Ask& ask,
                     const Scopes& scopes, const Exclusions& exclusions, std::uint32_t first_scope,
                     Growing<std::uint32_t>& positions, Reached& out) {
  const std::int64_t anchor = scopes.anchor_us(ask.scope);
  std::int64_t after = kNoTime;
  if (strategy.choice == Choice::window) {
    after = anchor < kNoTime + 1 + strategy.span_us ? kNoTime + 1 : anchor - strategy.span_us;
  }
  VisibleChildren children(graph, link, ask.row, scopes, ask.scope, after);
  if (exclusions.has(link)) {
    std::vector<Exclusions::Child> left_out;
    exclusions.children_of(link, ask.row, first_scope + ask.scope, left_out);
    if (!left_out.empty()) children.exclude(left_out);
  }
  positions.clear();
  const std::uint32_t count = children.count();
  if (strategy.choice == Choice::uniform) {
    choose_uniform(count, strategy.fanout, Draws(ask.key), positions);
  } else if (strategy.choice == Choice::recent) {
    const auto age = [&](std::uint32_t position) -> std::int64_t {
      const std::int64_t time = children.at(position).time_us;
      return time == kNoTime ? -1 : age_at(anchor, time);
    };
    choose_recent(count, strategy.fanout, static_cast<double>(strategy.span_us), age, Draws(ask.key), positions);
  } else {
    for (std::uint32_t j = 0; j < std::min(count, strategy.fanout); ++j) positions.push_back(count - 1 - j);
  }
  for (std::size_t j = 0; j < positions.size(); ++j) {
    const VisibleChildren::Child child = children.at(positions[j]);
    out.row.push_back(child.row);
    out.time_us.push_back(child.time_us);
  }
  out.count.push_back(static_cast<std::uint32_t>(positions.size()));
}

}  // namespace

Scopes::Scopes(const Graph& graph, std::span<const std::int64_t> anchors_us)
    : anchors_us_(anchors_us), num_limits_(graph.num_limits), limits_(anchors_us.size() * graph.num_limits) {
  for (std::size_t i = 0; i < anchors_us.size(); ++i) graph.limits(anchors_us[i], limits_.data() + i * num_limits_);
}

void expand_to_parent(const Graph& graph, std::uint32_t link, std::span<const Ask> asks, const Scopes& scopes,
                      const Exclusions& exclusions, std::uint32_t first_scope, Reached& out) {
  for (std::size_t i = 0; i < asks.size(); i += kParentBlock) {
    parents_of_block(graph, link, asks.subspan(i, std::min(kParentBlock, asks.size() - i)), scopes, exclusions, first_scope,
                     out);
  }
}

void expand_to_children(const Graph& graph, std::uint32_t link_index, const Strategy& strategy,
                        std::span<const Ask> asks, const Scopes& scopes, const Exclusions& exclusions,
                        std::uint32_t first_scope, Reached& out) {
  const Link& link = graph.links[link_index];
  const Table& children = graph.tables[link.child];
  if (link.segments.size() == 1 && !exclusions.has(link_index)) {
    for (std::size_t i = 0; i < asks.size(); i += kBlock) {
      ChildrenOfBlock(children, link.segments[0], strategy, asks.subspan(i, std::min(kBlock, asks.size() - i)), scopes,
                      out)
          .run();
    }
    return;
  }
  Growing<std::uint32_t> positions;
  for (const Ask& ask : asks) {
    children_of_one(graph, link_index, strategy, ask, scopes, exclusions, first_scope, positions, out);
  }
}

void expand(const Graph& graph, const Step& step, std::span<const Ask> asks, const Scopes& scopes,
            const Exclusions& exclusions, std::uint32_t first_scope, Reached& out) {
  if (step.toward_parent) {
    expand_to_parent(graph, step.link, asks, scopes, exclusions, first_scope, out);
  } else {
    expand_to_children(graph, step.link, step.strategy, asks, scopes, exclusions, first_scope, out);
  }
}

void Exclusions::add(const Graph& graph, std::uint32_t link, std::uint32_t child_row, std::uint32_t scope) {
  const Link& found = graph.links[link];
  graph.check_row(found.child, child_row);
  const std::uint32_t parent = graph.parent_row(link, child_row);
  if (parent != kNone) add(link, parent, {child_row, graph.time_us(found.child, child_row)}, scope);
}

void Exclusions::add(std::uint32_t link, std::uint32_t parent_row, Child child, std::uint32_t scope) {
  if (by_link_.size() <= link) by_link_.resize(link + 1);
  by_link_[link][parent_row].push_back({child, scope});
}

bool Exclusions::is_excluded(std::uint32_t link, std::uint32_t parent_row, std::uint32_t child_row,
                             std::uint32_t scope) const {
  const auto found = by_link_[link].find(parent_row);
  if (found == by_link_[link].end()) return false;
  return std::any_of(found->second.begin(), found->second.end(), [&](const Entry& entry) {
    return entry.child.row == child_row && (entry.scope == kAll || entry.scope == scope);
  });
}

void Exclusions::children_of(std::uint32_t link, std::uint32_t parent_row, std::uint32_t scope,
                             std::vector<Child>& out) const {
  const auto found = by_link_[link].find(parent_row);
  if (found == by_link_[link].end()) return;
  for (const Entry& entry : found->second) {
    if (entry.scope == kAll || entry.scope == scope) out.push_back(entry.child);
  }
}

}  // namespace weft
