#include "growth.hpp"

#include <algorithm>
#include <unordered_map>

#include "random.hpp"

namespace weft {
namespace {

// Seeds that are worked on together, and the unit that threads share: never a setting.
constexpr std::size_t kChunkSeeds = 64;

// The links that lead from a crossed table to its parents.
std::vector<std::uint32_t> ways_on(const Graph& graph, const Plan& plan, std::uint32_t table) {
  std::vector<std::uint32_t> out;
  if (!plan.is_crossed[table]) return out;
  for (std::uint32_t link = 0; link < graph.links.size(); ++link) {
    if (graph.links[link].child == table) out.push_back(link);
  }
  return out;
}

std::uint32_t reached_by(const Graph& graph, const Step& step) {
  return step.toward_parent ? graph.links[step.link].parent : graph.links[step.link].child;
}

}  // namespace

std::vector<EdgeKind> edge_kinds(const Graph& graph, const Plan& plan) {
  std::vector<EdgeKind> kinds;
  const auto add = [&](std::uint32_t link, bool toward_parent) {
    for (const EdgeKind& kind : kinds) {
      if (kind.link == link && kind.toward_parent == toward_parent) return;
    }
    kinds.push_back({link, toward_parent});
  };
  for (const auto& hop : plan.hops) {
    for (const Step& step : hop) {
      add(step.link, step.toward_parent);
      for (const std::uint32_t link : ways_on(graph, plan, reached_by(graph, step))) add(link, true);
    }
  }
  return kinds;
}

std::vector<Stage> stages_of(const Graph& graph, const Plan& plan, const std::vector<EdgeKind>& kinds) {
  std::vector<Stage> stages;
  const auto add = [&](const Step& step, std::size_t hop, bool is_crossing) {
    Stage stage;
    stage.step = step;
    stage.hop = static_cast<std::uint32_t>(hop);
    while (kinds[stage.kind].link != step.link || kinds[stage.kind].toward_parent != step.toward_parent) ++stage.kind;
    const Link& link = graph.links[step.link];
    stage.from = step.toward_parent ? link.child : link.parent;
    stage.to = step.toward_parent ? link.parent : link.child;
    stage.is_crossing = is_crossing;
    stages.push_back(stage);
  };
  for (std::size_t hop = 0; hop < plan.hops.size(); ++hop) {
    for (const Step& step : plan.hops[hop]) {
      add(step, hop, false);
      for (const std::uint32_t link : ways_on(graph, plan, stages.back().to)) add({link, true, {}}, hop, true);
    }
    if (plan.hops[hop].empty()) {
      stages.emplace_back();
      stages.back().is_empty = true;
    }
    stages.back().ends_hop = true;
  }
  return stages;
}

Division divide(const Seeds& seeds, bool is_shared) {
  Division out;
  const std::size_t count = seeds.rows.size();
  out.scope_of_seed.resize(count);
  std::vector<std::uint32_t> seeds_in_scope;
  std::unordered_map<std::int64_t, std::uint32_t> scope_by_anchor;
  for (std::size_t i = 0; i < count; ++i) {
    auto scope = static_cast<std::uint32_t>(out.anchors_us.size());
    if (is_shared) scope = scope_by_anchor.try_emplace(seeds.anchors_us[i], scope).first->second;
    if (scope == out.anchors_us.size()) {
      out.anchors_us.push_back(seeds.anchors_us[i]);
      seeds_in_scope.push_back(0);
    }
    out.scope_of_seed[i] = scope;
    ++seeds_in_scope[scope];
  }
  // A chunk takes whole scopes, in order, while it has few seeds.
  std::vector<std::uint32_t> chunk_of_scope(out.anchors_us.size());
  std::size_t in_chunk = kChunkSeeds;
  for (std::uint32_t scope = 0; scope < seeds_in_scope.size(); ++scope) {
    if (in_chunk + seeds_in_scope[scope] > kChunkSeeds) {
      out.first_scope.push_back(scope);
      out.seeds_of_chunk.emplace_back();
      in_chunk = 0;
    }
    in_chunk += seeds_in_scope[scope];
    chunk_of_scope[scope] = static_cast<std::uint32_t>(out.seeds_of_chunk.size() - 1);
  }
  for (std::size_t i = 0; i < count; ++i) {
    out.seeds_of_chunk[chunk_of_scope[out.scope_of_seed[i]]].push_back(static_cast<std::uint32_t>(i));
  }
  out.first_scope.push_back(static_cast<std::uint32_t>(out.anchors_us.size()));
  return out;
}

Growth::Growth(const Plan& plan, std::span<const std::int64_t> anchors_us, std::size_t num_tables,
               std::size_t num_kinds, Neighborhood& neighborhood, ChunkResult& result)
    : plan_(plan), anchors_us_(anchors_us), neighborhood_(neighborhood) {
  result.tables.resize(num_tables);
  result.kinds.resize(num_kinds);
  neighborhood_.start(result, anchors_us.size());
  keys_.reserve(anchors_us.size());
  for (const std::int64_t anchor : anchors_us) {
    keys_.push_back(join(join(mix(plan.seed), plan.epoch), static_cast<std::uint64_t>(anchor)));
  }
}

std::pair<std::uint32_t, bool> Growth::add_seed(std::uint32_t table, std::uint32_t scope, std::uint32_t row,
                                                std::int64_t time_us, std::uint64_t source_row) {
  const std::int64_t anchor = anchors_us_[scope];
  const bool is_hidden = time_us != kNoTime && time_us > anchor;
  const std::int64_t age = time_us == kNoTime || is_hidden ? kNoTime : age_at(anchor, time_us);
  if (!plan_.is_shared) keys_[scope] = join(keys_[scope], source_row);
  const std::uint32_t position = neighborhood_.insert(table, scope, row, age);
  if (is_hidden) hidden_.push_back(position);
  return {position, is_hidden};
}

std::pair<std::uint32_t, std::uint32_t> Growth::start(const Stage& stage) {
  if (stage.is_empty) return {0, 0};
  const auto num_reached = static_cast<std::uint32_t>(neighborhood_.rows(stage.to).row.size());
  if (stage.is_crossing) {
    // A link of the table to itself adds rows to it, which are not among those that the step reached.
    if (after_ == kAll) after_ = static_cast<std::uint32_t>(neighborhood_.rows(stage.from).row.size());
    return {before_, after_};
  }
  before_ = num_reached;
  after_ = kAll;
  // The rows of a crossed table were followed to their parents as soon as they were reached.
  if (stage.step.toward_parent && plan_.is_crossed[stage.from] && stage.hop > 0) return {0, 0};
  const auto& end = neighborhood_.rows(stage.from).end;
  return {stage.hop == 0 ? 0 : end[stage.hop - 1], end[stage.hop]};
}

void Growth::ask(const Stage& stage, std::uint32_t begin, std::uint32_t end, std::vector<Ask>& asks) const {
  const ChunkRows& rows = neighborhood_.rows(stage.from);
  const Choice choice = stage.step.strategy.choice;
  const bool is_random = !stage.step.toward_parent && (choice == Choice::uniform || choice == Choice::recent);
  for (std::uint32_t i = begin; i < end; ++i) {
    const std::uint32_t scope = rows.scope[i];
    const std::uint64_t word = std::uint64_t{rows.slot[i]} << 32 | stage.step.link;
    asks.push_back({rows.row[i], scope, is_random ? join(keys_[scope], word) : 0});
  }
}

void Growth::take(const Stage& stage, std::uint32_t begin, std::span<const Ask> asks, Reached& reached) {
  if (stage.hop == 0 && !stage.is_crossing && !hidden_.empty()) forget_hidden(begin, reached);
  neighborhood_.add(stage.to, stage.kind, begin, asks, anchors_us_, reached);
}

void Growth::forget_hidden(std::uint32_t begin, Reached& reached) const {
  std::size_t from = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < reached.count.size(); ++i) {
    const std::uint32_t count = reached.count[i];
    const auto position = static_cast<std::uint32_t>(begin + i);
    if (std::binary_search(hidden_.begin(), hidden_.end(), position)) {
      reached.count[i] = 0;
    } else {
      for (std::uint32_t j = 0; j < count; ++j, ++kept) {
        reached.row[kept] = reached.row[from + j];
        reached.time_us[kept] = reached.time_us[from + j];
      }
    }
    from += count;
  }
  reached.row.cut(kept);
  reached.time_us.cut(kept);
}

}  // namespace weft
