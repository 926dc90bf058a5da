#include "sampler.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "sample_arrays.hpp"
#include "strategies.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using weft_bindings::In;

namespace {

constexpr std::size_t kMostHops = 64;  // weft.graph.SampleOptions allows fewer

// link, toward_parent, choice, fanout, span_us
using StepTuple = std::tuple<std::uint32_t, bool, std::uint32_t, std::uint32_t, std::int64_t>;

std::uint32_t checked_table(const weft::Graph& graph, std::uint32_t table) {
  if (table >= graph.tables.size()) throw nb::value_error("no such table");
  return table;
}

weft::Plan make_plan(const weft::Graph& graph, const std::vector<std::vector<StepTuple>>& hops,
                     const std::vector<std::uint32_t>& crossed, const std::vector<std::uint32_t>& gathered,
                     bool is_shared) {
  weft::Plan plan;
  if (hops.size() > kMostHops) throw nb::value_error("more hops than are walked");
  for (const auto& hop : hops) {
    plan.hops.emplace_back();
    if (hop.size() > 2 * graph.links.size()) throw nb::value_error("more steps than there are links");
    for (const auto& [link, toward_parent, choice, fanout, span_us] : hop) {
      if (link >= graph.links.size()) throw nb::value_error("no such link");
      plan.hops.back().push_back({link, toward_parent, weft_bindings::checked_strategy(choice, fanout, span_us)});
    }
  }
  plan.is_crossed.assign(graph.tables.size(), 0);
  plan.is_gathered.assign(graph.tables.size(), 0);
  for (const std::uint32_t table : crossed) plan.is_crossed[checked_table(graph, table)] = 1;
  for (const std::uint32_t table : gathered) plan.is_gathered[checked_table(graph, table)] = 1;
  plan.is_shared = is_shared;
  return plan;
}

weft_bindings::SampleTuple sample(const weft::Graph& graph, const weft::Plan& plan, std::uint32_t table, In<std::uint32_t> rows,
                 In<std::int64_t> anchors_us, In<std::uint32_t> excluded_links, In<std::uint32_t> excluded_rows,
                 In<std::uint32_t> excluded_seeds, std::uint64_t seed, std::uint64_t epoch, std::size_t threads) {
  if (table >= graph.tables.size() || rows.size() != anchors_us.size() ||
      excluded_links.size() != excluded_rows.size() || excluded_links.size() != excluded_seeds.size()) {
    throw nb::value_error("arrays of different lengths, or no such table");
  }
  for (std::size_t i = 0; i < excluded_links.size(); ++i) {
    if (excluded_links.data()[i] >= graph.links.size()) throw nb::value_error("no such link");
    const std::uint32_t of = excluded_seeds.data()[i];
    if (of != weft::kAll && of >= rows.size()) throw nb::value_error("no such seed");
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
  return weft_bindings::sample_to_python(graph, std::move(result));
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
