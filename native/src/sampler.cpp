#include "sampler.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>

#include "error.hpp"
#include "neighborhood.hpp"
#include "tasks.hpp"
#include "random.hpp"

namespace weft {
namespace {

// Seeds of a chunk, the unit that threads share. Part of the order of the result: never a setting.
constexpr std::size_t kChunkSeeds = 64;
// Asks per call of a step: bounds the intermediate arrays when fanouts are large.
constexpr std::size_t kAsks = 256;

// What a thread keeps from chunk to chunk.
struct Workspace {
  Neighborhood neighborhood;
  std::vector<Ask> asks;
  Reached reached;
};

// The kinds of edges a plan makes, in order of first use.
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
      const std::uint32_t reached = step.toward_parent ? graph.links[step.link].parent : graph.links[step.link].child;
      if (!plan.is_crossed[reached]) continue;
      for (std::uint32_t link = 0; link < graph.links.size(); ++link) {
        if (graph.links[link].child == reached) add(link, true);
      }
    }
  }
  return kinds;
}

// One chunk: some scopes, their seeds, and the neighbourhood that grows around them.
class Chunk {
 public:
  Chunk(const Graph& graph, const Plan& plan, const std::vector<EdgeKind>& kinds, const Exclusions& exclusions,
        std::span<const std::int64_t> anchors_us, std::uint32_t first_scope, ChunkResult& result, Workspace& work)
      : graph_(graph),
        plan_(plan),
        kinds_(kinds),
        exclusions_(exclusions),
        scopes_(graph, anchors_us),
        first_scope_(first_scope),
        result_(work.neighborhood),
        work_(work) {
    result.tables.resize(graph.tables.size());
    result.kinds.resize(kinds.size());
    result_.start(result, anchors_us.size());
    keys_.reserve(anchors_us.size());
    for (const std::int64_t anchor : anchors_us) {
      keys_.push_back(join(join(mix(plan.seed), plan.epoch), static_cast<std::uint64_t>(anchor)));
    }
  }

  // Adds a seed; returns its position and whether it is later than its own anchor.
  std::pair<std::uint32_t, bool> add_seed(std::uint32_t table, std::uint32_t scope, std::uint32_t row) {
    const std::int64_t time = graph_.time_us(table, row);
    const std::int64_t anchor = scopes_.anchor_us(scope);
    const bool is_hidden = time != kNoTime && time > anchor;
    const std::int64_t age = time == kNoTime || is_hidden ? kNoTime : anchor - time;
    if (!plan_.is_shared) keys_[scope] = join(keys_[scope], graph_.source_row(table, row));
    return {result_.insert(table, scope, row, age), is_hidden};
  }

  void run() {
    result_.end_hop();
    for (std::size_t hop = 0; hop < plan_.hops.size(); ++hop) {
      for (const Step& step : plan_.hops[hop]) walk(step, hop);
      result_.end_hop();
    }
  }

 private:
  void walk(const Step& step, std::size_t hop) {
    const Link& link = graph_.links[step.link];
    const std::uint32_t from = step.toward_parent ? link.child : link.parent;
    const std::uint32_t to = step.toward_parent ? link.parent : link.child;
    // The rows of a crossed table were followed to their parents as soon as they were reached.
    if (step.toward_parent && plan_.is_crossed[from] && hop > 0) return;
    const auto& end = result_.rows(from).end;
    const std::uint32_t first = hop == 0 ? 0 : end[hop - 1];
    const auto before = static_cast<std::uint32_t>(result_.rows(to).row.size());
    expand(step, from, to, first, end[hop]);
    if (!plan_.is_crossed[to]) return;
    const auto after = static_cast<std::uint32_t>(result_.rows(to).row.size());
    for (std::uint32_t other = 0; other < graph_.links.size(); ++other) {
      if (graph_.links[other].child != to) continue;
      expand({other, true, {}}, to, graph_.links[other].parent, before, after);
    }
  }

  void expand(const Step& step, std::uint32_t from, std::uint32_t to, std::uint32_t first, std::uint32_t end) {
    const std::uint32_t kind = kind_of(step);
    for (std::uint32_t begin = first; begin < end; begin += kAsks) {
      const auto stop = static_cast<std::uint32_t>(std::min<std::size_t>(end, begin + kAsks));
      ask(step, from, begin, stop);
      work_.reached.clear();
      if (step.toward_parent) {
        expand_to_parent(graph_, step.link, work_.asks, scopes_, exclusions_, first_scope_, work_.reached);
      } else {
        expand_to_children(graph_, step.link, step.strategy, work_.asks, scopes_, exclusions_, first_scope_,
                           work_.reached);
      }
      result_.add(to, kind, begin, work_.asks, scopes_, work_.reached);
    }
  }

  void ask(const Step& step, std::uint32_t from, std::uint32_t begin, std::uint32_t end) {
    const ChunkRows& rows = result_.rows(from);
    const bool is_random = step.strategy.choice == Choice::uniform || step.strategy.choice == Choice::recent;
    work_.asks.clear();
    for (std::uint32_t i = begin; i < end; ++i) {
      const std::uint32_t scope = rows.scope[i];
      const std::uint64_t key =
          is_random ? join(keys_[scope], std::uint64_t{rows.slot[i]} << 32 | step.link) : 0;
      work_.asks.push_back({rows.row[i], scope, key});
    }
  }

  std::uint32_t kind_of(const Step& step) const {
    std::uint32_t kind = 0;
    while (kinds_[kind].link != step.link || kinds_[kind].toward_parent != step.toward_parent) ++kind;
    return kind;
  }

  const Graph& graph_;
  const Plan& plan_;
  const std::vector<EdgeKind>& kinds_;
  const Exclusions& exclusions_;
  Scopes scopes_;
  std::uint32_t first_scope_;
  Neighborhood& result_;
  Workspace& work_;
  std::vector<std::uint64_t> keys_;
};

// Which scopes there are, and which seeds are in which.
struct Division {
  std::vector<std::int64_t> anchors_us;       // per scope
  std::vector<std::uint32_t> scope_of_seed;
  std::vector<std::vector<std::uint32_t>> seeds_of_chunk;
  std::vector<std::uint32_t> first_scope;     // per chunk, and the end
};

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

// Lays the chunks' rows and edges out one after the other: by hop, within a hop by chunk.
class Assembly {
 public:
  Assembly(const Graph& graph, const std::vector<EdgeKind>& kinds, const std::vector<ChunkResult>& chunks,
           const Division& division, std::size_t num_hops)
      : graph_(graph), kinds_(kinds), chunks_(chunks), division_(division), num_ends_(num_hops + 1) {
    shifts_.resize(chunks.size() * graph.tables.size() * num_ends_);
  }

  void lay_rows(Sample& out, std::size_t threads) {
    out.tables.resize(graph_.tables.size());
    for (std::size_t t = 0; t < graph_.tables.size(); ++t) {
      std::uint64_t total = 0;
      for (std::size_t hop = 0; hop < num_ends_; ++hop) {
        const std::uint64_t before = total;
        for (std::size_t c = 0; c < chunks_.size(); ++c) {
          const auto& end = chunks_[c].tables[t].end;
          const std::uint32_t first = hop == 0 ? 0 : end[hop - 1];
          shift(c, t, hop) = static_cast<std::int64_t>(total) - first;
          total += end[hop] - first;
        }
        out.tables[t].per_hop.push_back(total - before);
      }
      check_num_rows(total, graph_.tables[t].name);
      out.tables[t].rows = Buffer<std::uint32_t>(total);
      out.tables[t].scopes = Buffer<std::int32_t>(total);
      out.tables[t].age_us = Buffer<std::int64_t>(total);
    }
    for_each_task(chunks_.size(), threads, [&](std::size_t c) { copy_rows(c, out); });
  }

  void lay_edges(Sample& out, std::size_t threads) {
    out.edges.resize(kinds_.size());
    std::vector<std::uint64_t> starts(chunks_.size() * kinds_.size() * num_ends_);
    for (std::size_t k = 0; k < kinds_.size(); ++k) {
      std::uint64_t total = 0;
      out.edges[k].kind = kinds_[k];
      for (std::size_t hop = 1; hop < num_ends_; ++hop) {
        const std::uint64_t before = total;
        for (std::size_t c = 0; c < chunks_.size(); ++c) {
          const auto& end = chunks_[c].kinds[k].end;
          starts[(c * kinds_.size() + k) * num_ends_ + hop] = total;
          total += end[hop] - end[hop - 1];
        }
        out.edges[k].per_hop.push_back(total - before);
      }
      out.edges[k].source = Buffer<std::int32_t>(total);
      out.edges[k].target = Buffer<std::int32_t>(total);
    }
    for_each_task(chunks_.size(), threads, [&](std::size_t c) {
      for (std::size_t k = 0; k < kinds_.size(); ++k) {
        copy_edges(c, k, starts.data() + (c * kinds_.size() + k) * num_ends_, out.edges[k]);
      }
    });
  }

  // Where a row of a chunk is in the result.
  std::int32_t position(std::size_t chunk, std::size_t table, std::uint32_t at) const {
    const auto& end = chunks_[chunk].tables[table].end;
    std::size_t hop = 0;
    while (at >= end[hop]) ++hop;
    return static_cast<std::int32_t>(shift(chunk, table, hop) + at);
  }

 private:
  std::int64_t& shift(std::size_t chunk, std::size_t table, std::size_t hop) {
    return shifts_[(chunk * graph_.tables.size() + table) * num_ends_ + hop];
  }
  std::int64_t shift(std::size_t chunk, std::size_t table, std::size_t hop) const {
    return shifts_[(chunk * graph_.tables.size() + table) * num_ends_ + hop];
  }

  void copy_rows(std::size_t c, Sample& out) const {
    const auto first_scope = static_cast<std::int32_t>(division_.first_scope[c]);
    for (std::size_t t = 0; t < graph_.tables.size(); ++t) {
      const ChunkRows& rows = chunks_[c].tables[t];
      TableSample& table = out.tables[t];
      for (std::size_t hop = 0; hop < num_ends_; ++hop) {
        const std::uint32_t first = hop == 0 ? 0 : rows.end[hop - 1];
        const std::uint32_t count = rows.end[hop] - first;
        if (count == 0) continue;
        const auto to = static_cast<std::size_t>(shift(c, t, hop) + first);
        std::memcpy(table.rows.data() + to, rows.row.data() + first, count * sizeof(std::uint32_t));
        std::memcpy(table.age_us.data() + to, rows.age_us.data() + first, count * sizeof(std::int64_t));
        for (std::uint32_t i = 0; i < count; ++i) {
          table.scopes[to + i] = static_cast<std::int32_t>(rows.scope[first + i]) + first_scope;
        }
      }
    }
  }

  void copy_edges(std::size_t c, std::size_t k, const std::uint64_t* starts, EdgeSample& out) const {
    const Link& link = graph_.links[kinds_[k].link];
    const ChunkEdges& edges = chunks_[c].kinds[k];
    const std::uint32_t from = kinds_[k].toward_parent ? link.parent : link.child;
    const std::uint32_t to = kinds_[k].toward_parent ? link.child : link.parent;
    for (std::size_t hop = 1; hop < num_ends_; ++hop) {
      const std::uint32_t first = edges.end[hop - 1];
      const std::uint32_t count = edges.end[hop] - first;
      move(c, from, edges.source.data() + first, count, out.source.data() + starts[hop]);
      move(c, to, edges.target.data() + first, count, out.target.data() + starts[hop]);
    }
  }

  void move(std::size_t c, std::size_t table, const std::uint32_t* at, std::uint32_t count, std::int32_t* out) const {
    const std::uint32_t* end = chunks_[c].tables[table].end.data();
    const std::int64_t* shifts = &shifts_[(c * graph_.tables.size() + table) * num_ends_];
    for (std::uint32_t i = 0; i < count; ++i) {
      std::size_t hop = 0;
      while (at[i] >= end[hop]) ++hop;
      out[i] = static_cast<std::int32_t>(shifts[hop] + at[i]);
    }
  }

  const Graph& graph_;
  const std::vector<EdgeKind>& kinds_;
  const std::vector<ChunkResult>& chunks_;
  const Division& division_;
  std::size_t num_ends_;
  std::vector<std::int64_t> shifts_;  // per chunk, table and hop: what a position moves by
};

// A seed that is later than its own anchor is there, but nothing of it is told.
void hide(const Table& table, const std::vector<char>& is_hidden, const Buffer<std::int32_t>& positions,
          TableSample& out) {
  for (std::size_t i = 0; i < is_hidden.size(); ++i) {
    if (!is_hidden[i]) continue;
    for (std::size_t s = 0; s < out.sections.size(); ++s) {
      const Section& section = table.sections[s];
      std::memcpy(out.sections[s].data() + std::size_t(positions[i]) * section.bytes,
                  table.null_row.data() + section.offset, section.bytes);
    }
  }
}

}  // namespace

void check_num_rows(std::uint64_t num_rows, const std::string& table) {
  if (num_rows <= 0x7FFFFFFFu) return;
  throw Error(Fault::user, "GRAPH041", "the sample would hold " + std::to_string(num_rows) + " rows of '" + table + "'.",
              "sample fewer seeds at once, or with smaller fanouts.");
}

Sample sample(const Graph& graph, const Plan& plan, const Seeds& seeds, std::size_t threads) {
  for (const std::uint32_t row : seeds.rows) graph.check_row(seeds.table, row);
  const Division division = divide(seeds, plan.is_shared);
  Exclusions exclusions;
  for (std::size_t i = 0; i < seeds.excluded_rows.size(); ++i) {
    const std::uint32_t seed = seeds.excluded_seeds[i];
    exclusions.add(graph, seeds.excluded_links[i], seeds.excluded_rows[i],
                   seed == kAll ? kAll : division.scope_of_seed[seed]);
  }
  const std::vector<EdgeKind> kinds = edge_kinds(graph, plan);
  const std::size_t num_chunks = division.seeds_of_chunk.size();
  std::vector<ChunkResult> chunks(num_chunks);
  std::vector<std::uint32_t> position_in_chunk(seeds.rows.size());
  std::vector<char> is_hidden(seeds.rows.size());
  for_each_task(num_chunks, threads, [&](std::size_t c) {
    thread_local Workspace work;
    const std::uint32_t first = division.first_scope[c];
    const std::span anchors(division.anchors_us.data() + first, division.first_scope[c + 1] - first);
    Chunk chunk(graph, plan, kinds, exclusions, anchors, first, chunks[c], work);
    for (const std::uint32_t seed : division.seeds_of_chunk[c]) {
      const auto [position, hidden] = chunk.add_seed(seeds.table, division.scope_of_seed[seed] - first, seeds.rows[seed]);
      position_in_chunk[seed] = position;
      is_hidden[seed] = hidden;
    }
    chunk.run();
  });

  Sample out;
  Assembly assembly(graph, kinds, chunks, division, plan.hops.size());
  assembly.lay_rows(out, threads);
  assembly.lay_edges(out, threads);
  out.seeds = Buffer<std::int32_t>(seeds.rows.size());
  out.seed_scopes = Buffer<std::int32_t>(seeds.rows.size());
  for (std::size_t c = 0; c < num_chunks; ++c) {
    for (const std::uint32_t seed : division.seeds_of_chunk[c]) {
      out.seeds[seed] = assembly.position(c, seeds.table, position_in_chunk[seed]);
      out.seed_scopes[seed] = static_cast<std::int32_t>(division.scope_of_seed[seed]);
    }
  }
  out.scope_anchors_us = Buffer<std::int64_t>(division.anchors_us.size());
  std::copy(division.anchors_us.begin(), division.anchors_us.end(), out.scope_anchors_us.data());
  for (std::size_t t = 0; t < graph.tables.size(); ++t) {
    if (!plan.is_gathered[t]) continue;
    TableSample& table = out.tables[t];
    table.sections = gather(graph.tables[t], {table.rows.data(), table.rows.size()}, threads);
  }
  hide(graph.tables[seeds.table], is_hidden, out.seeds, out.tables[seeds.table]);
  return out;
}

}  // namespace weft
