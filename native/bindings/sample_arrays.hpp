// A sample as Python sees it.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "arrays.hpp"
#include "sampler.hpp"

namespace weft_bindings {

// (rows, scopes, age_us, per_hop, sections), or None for a table that was not reached.
inline nanobind::object table_of(const weft::Graph& graph, std::size_t index, weft::TableSample table) {
  const std::size_t num_rows = table.rows.size();
  if (num_rows == 0) return nanobind::none();
  return nanobind::make_tuple(to_numpy(std::move(table.rows)), to_numpy(std::move(table.scopes)),
                        to_numpy(std::move(table.age_us)), nanobind::cast(table.per_hop),
                        sections_to_numpy(graph.tables[index], std::move(table.sections), num_rows));
}

// (seeds, seed_scopes, scope_anchors_us, tables, edges)
using SampleTuple = nanobind::typed<nanobind::tuple, nanobind::object, nanobind::object, nanobind::object, nanobind::object, nanobind::object>;

inline SampleTuple sample_to_python(const weft::Graph& graph, weft::Sample sample) {
  nanobind::list tables;
  for (std::size_t t = 0; t < sample.tables.size(); ++t) tables.append(table_of(graph, t, std::move(sample.tables[t])));
  nanobind::list edges;
  for (weft::EdgeSample& edge : sample.edges) {
    edges.append(nanobind::make_tuple(edge.kind.link, edge.kind.toward_parent, to_numpy(std::move(edge.source)),
                                to_numpy(std::move(edge.target)), nanobind::cast(edge.per_hop)));
  }
  return SampleTuple(nanobind::make_tuple(to_numpy(std::move(sample.seeds)), to_numpy(std::move(sample.seed_scopes)),
                             to_numpy(std::move(sample.scope_anchors_us)), tables, edges));
}

}  // namespace weft_bindings
