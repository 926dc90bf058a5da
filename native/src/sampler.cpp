#include "sampler.hpp"

#include <algorithm>

#include "assembly.hpp"
#include "error.hpp"
#include "growth.hpp"
#include "tasks.hpp"

namespace weft {
namespace {

// Asks per call of an expansion: bounds the intermediate arrays when fanouts are large.
constexpr std::uint32_t kAsks = 256;

// What a thread keeps from chunk to chunk.
struct Workspace {
  Neighborhood neighborhood;
  std::vector<Ask> asks;
  Reached reached;
};

// Where the seeds of all chunks ended up within their chunks.
struct Placed {
  std::vector<std::uint32_t> position;
  std::vector<char> is_hidden;
};

class LocalSampling {
 public:
  LocalSampling(const Graph& graph, const Plan& plan, const Seeds& seeds)
      : graph_(graph),
        plan_(plan),
        seeds_(seeds),
        division_(divide(seeds, plan.is_shared)),
        kinds_(edge_kinds(graph, plan)),
        stages_(stages_of(graph, plan, kinds_)),
        chunks_(division_.num_chunks()),
        placed_{std::vector<std::uint32_t>(seeds.rows.size()), std::vector<char>(seeds.rows.size())} {
    for (std::size_t i = 0; i < seeds.excluded_rows.size(); ++i) {
      const std::uint32_t seed = seeds.excluded_seeds[i];
      exclusions_.add(graph, seeds.excluded_links[i], seeds.excluded_rows[i],
                      seed == kAll ? kAll : division_.scope_of_seed[seed]);
    }
  }

  Sample run(std::size_t threads) {
    for_each_task(chunks_.size(), threads, [&](std::size_t chunk) { grow(chunk); });
    Sample out;
    Assembly assembly(graph_, kinds_, chunks_, division_, plan_.hops.size());
    assembly.lay_rows(out);
    assembly.lay_edges(out);
    for (std::size_t t = 0; t < graph_.tables.size(); ++t) {
      if (plan_.is_gathered[t]) out.tables[t].sections = make_sections(graph_.tables[t], out.tables[t].rows.size());
    }
    for_each_task(chunks_.size(), threads, [&](std::size_t chunk) {
      assembly.copy(chunk, out);
      for (std::size_t t = 0; t < graph_.tables.size(); ++t) {
        if (plan_.is_gathered[t]) assembly.gather_values(chunk, t, out.tables[t]);
      }
      chunks_[chunk].give_back();
    });
    assembly.lay_seeds(seeds_.table, placed_.position, out);
    hide_values(graph_.tables[seeds_.table], placed_.is_hidden, out.seeds, out.tables[seeds_.table]);
    return out;
  }

 private:
  void grow(std::size_t chunk) {
    thread_local Workspace work;
    const auto anchors = division_.anchors_of(chunk);
    const std::uint32_t first_scope = division_.first_scope[chunk];
    const Scopes scopes(graph_, anchors);
    Growth growth(plan_, anchors, graph_.tables.size(), kinds_.size(), work.neighborhood, chunks_[chunk]);
    for (const std::uint32_t seed : division_.seeds_of_chunk[chunk]) {
      const std::uint32_t row = seeds_.rows[seed];
      const auto [position, is_hidden] =
          growth.add_seed(seeds_.table, division_.scope_of_seed[seed] - first_scope, row,
                          graph_.time_us(seeds_.table, row), graph_.source_row(seeds_.table, row));
      placed_.position[seed] = position;
      placed_.is_hidden[seed] = is_hidden;
    }
    growth.end_seeds();
    for (const Stage& stage : stages_) {
      const auto [first, end] = growth.start(stage);
      for (std::uint32_t begin = first; begin < end; begin += kAsks) {
        work.asks.clear();
        growth.ask(stage, begin, std::min(end, begin + kAsks), work.asks);
        work.reached.clear();
        expand(graph_, stage.step, work.asks, scopes, exclusions_, first_scope, work.reached);
        growth.take(stage, begin, work.asks, work.reached);
      }
      growth.end(stage);
    }
  }

  const Graph& graph_;
  const Plan& plan_;
  const Seeds& seeds_;
  Division division_;
  std::vector<EdgeKind> kinds_;
  std::vector<Stage> stages_;
  Exclusions exclusions_;
  std::vector<ChunkResult> chunks_;
  Placed placed_;
};

}  // namespace

void check_num_rows(std::uint64_t num_rows, const std::string& table) {
  if (num_rows <= 0x7FFFFFFFu) return;
  throw Error(Fault::user, "GRAPH041", "the sample would hold " + std::to_string(num_rows) + " rows of '" + table + "'.",
              "sample fewer seeds at once, or with smaller fanouts.");
}

Sample sample(const Graph& graph, const Plan& plan, const Seeds& seeds, std::size_t threads) {
  for (const std::uint32_t row : seeds.rows) graph.check_row(seeds.table, row);
  return LocalSampling(graph, plan, seeds).run(threads);
}

}  // namespace weft
