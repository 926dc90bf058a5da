#include "sampler.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using weft_bindings::In;
using weft_bindings::to_numpy;

namespace {

// link, toward_parent, choice, fanout, span_us
using StepTuple = std::tuple<std::uint32_t, bool, std::uint32_t, std::uint32_t, std::int64_t>;

weft::Plan make_plan(const weft::Graph& graph, const std::vector<std::vector<StepTuple>>& hops,
                     const std::vector<std::uint32_t>& crossed, const std::vector<std::uint32_t>& gathered,
                     bool is_shared) {
  weft::Plan plan;
  for (const auto& hop : hops) {
    plan.hops.emplace_back();
    for (const auto& [link, toward_parent, choice, fanout, span_us] : hop) {
      if (link >= graph.links.size() || choice > 3 || span_us < 0) throw nb::value_error("no such step");
      plan.hops.back().push_back({link, toward_parent, {static_cast<weft::Choice>(choice), fanout, span_us}});
    }
  }
  plan.is_crossed.assign(graph.tables.size(), 0);
  plan.is_gathered.assign(graph.tables.size(), 0);
  for (const std::uint32_t table : crossed) plan.is_crossed.at(table) = 1;
  for (const std::uint32_t table : gathered) plan.is_gathered.at(table) = 1;
  plan.is_shared = is_shared;
  return plan;
}

nb::object table_of(const weft::Graph& graph, std::size_t index, weft::TableSample table) {
  const std::size_t num_rows = table.rows.size();
  if (num_rows == 0) return nb::none();
  return nb::make_tuple(to_numpy(std::move(table.rows)), to_numpy(std::move(table.scopes)),
                        to_numpy(std::move(table.age_us)), nb::cast(table.per_hop),
                        weft_bindings::sections_to_numpy(graph.tables[index], std::move(table.sections), num_rows));
}

// (seeds, seed_scopes, scope_anchors_us, tables, edges)
using Five = nb::typed<nb::tuple, nb::object, nb::object, nb::object, nb::object, nb::object>;

Five to_python(const weft::Graph& graph, weft::Sample sample) {
  nb::list tables;
  for (std::size_t t = 0; t < sample.tables.size(); ++t) tables.append(table_of(graph, t, std::move(sample.tables[t])));
  nb::list edges;
  for (weft::EdgeSample& edge : sample.edges) {
    edges.append(nb::make_tuple(edge.kind.link, edge.kind.toward_parent, to_numpy(std::move(edge.source)),
                                to_numpy(std::move(edge.target)), nb::cast(edge.per_hop)));
  }
  return Five(nb::make_tuple(to_numpy(std::move(sample.seeds)), to_numpy(std::move(sample.seed_scopes)),
                             to_numpy(std::move(sample.scope_anchors_us)), tables, edges));
}

Five sample(const weft::Graph& graph, const weft::Plan& plan, std::uint32_t table, In<std::uint32_t> rows,
                 In<std::int64_t> anchors_us, In<std::uint32_t> excluded_links, In<std::uint32_t> excluded_rows,
                 In<std::uint32_t> excluded_seeds, std::uint64_t seed, std::uint64_t epoch, std::size_t threads) {
  if (table >= graph.tables.size() || rows.size() != anchors_us.size() ||
      excluded_links.size() != excluded_rows.size() || excluded_links.size() != excluded_seeds.size()) {
    throw nb::value_error("arrays of different lengths, or no such table");
  }
  weft::Sample result;
  {
    nb::gil_scoped_release released;
    weft::Plan keyed = plan;
    keyed.seed = seed;
    keyed.epoch = epoch;
    result = weft::sample(graph, keyed,
                          {table,
                           {rows.data(), rows.size()},
                           {anchors_us.data(), anchors_us.size()},
                           {excluded_links.data(), excluded_links.size()},
                           {excluded_rows.data(), excluded_rows.size()},
                           {excluded_seeds.data(), excluded_seeds.size()}},
                          threads);
  }
  return to_python(graph, std::move(result));
}

}  // namespace

void bind_sampler(nb::module_& m) {
  m.attr("ALL") = weft::kAll;
  nb::class_<weft::Plan>(m, "Plan", "The steps of a sampling, compiled for one graph. See weft.graph.SampleOptions.");
  m.def("make_plan", &make_plan, "graph"_a, "hops"_a, "crossed"_a, "gathered"_a, "is_shared"_a,
        "Make a plan of steps (link, toward_parent, choice, fanout, span_us) per hop.");
  m.def("sample", &sample, "graph"_a, "plan"_a, "table"_a, "rows"_a, "anchors_us"_a, "excluded_links"_a,
        "excluded_rows"_a, "excluded_seeds"_a, "seed"_a, "epoch"_a, "threads"_a,
        "Draw the neighborhoods of seeds; returns (seeds, seed_scopes, scope_anchors_us, tables, edges).");
}
