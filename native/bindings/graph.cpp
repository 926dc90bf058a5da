#include "graph.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "error.hpp"
#include "sampler.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using weft_bindings::In;

namespace {

using Named = std::pair<std::string, std::uint32_t>;  // a file's path and root checksum
using MaybeNamed = std::optional<Named>;

constexpr std::uint64_t kAnyNumber = ~std::uint64_t{0};

weft::MappedFile open(const MaybeNamed& named, weft::Kind kind, std::uint64_t item_bytes,
                      std::uint64_t num_items = kAnyNumber) {
  if (!named) return {};
  weft::MappedFile file(named->first, kind, item_bytes, named->second);
  if (num_items != kAnyNumber && file.num_items() != num_items) {
    throw weft::Error(weft::Fault::user, "GRAPH006",
                      "'" + named->first + "' holds " + std::to_string(file.num_items()) +
                          " items where the manifest promises " + std::to_string(num_items) + ".",
                      "materialize the graph again from its tables.");
  }
  return file;
}

void add_table(weft::Graph& graph, const std::string& name, std::uint32_t num_rows, std::uint32_t stride,
               const std::vector<std::pair<std::uint32_t, std::uint32_t>>& sections, nb::bytes null_row) {
  weft::Table table;
  table.name = name;
  table.num_rows = num_rows;
  table.stride = stride;
  for (const auto& [offset, bytes] : sections) {
    if (std::uint64_t{offset} + bytes > stride) throw nb::value_error("a section lies outside of its row");
    table.sections.push_back({offset, bytes});
  }
  if (null_row.size() != stride) throw nb::value_error("the null row is not as long as a row");
  const auto* bytes = static_cast<const std::byte*>(null_row.data());
  table.null_row.assign(bytes, bytes + stride);
  graph.tables.push_back(std::move(table));
}

void add_table_segment(weft::Graph& graph, std::uint32_t first_row, std::uint32_t num_rows, std::uint64_t first_source, std::int64_t origin_us,
                       std::int64_t unit_us, const MaybeNamed& rows, const MaybeNamed& time, const MaybeNamed& low,
                       const MaybeNamed& source) {
  weft::Table& table = graph.tables.at(graph.tables.size() - 1);
  weft::TableSegment segment;
  if (std::uint64_t{first_row} + num_rows > table.num_rows || first_row < table.end_row()) {
    throw nb::value_error("a segment outside of its table");
  }
  segment.first_row = first_row;
  segment.num_rows = num_rows;
  segment.first_source = first_source;
  segment.origin_us = origin_us;
  segment.unit_us = std::max<std::int64_t>(unit_us, 1);
  segment.rows = open(rows, weft::Kind::rows, table.stride, num_rows);
  segment.time = open(time, weft::Kind::time, 4, num_rows);
  segment.low = open(low, weft::Kind::low, 4, num_rows);
  segment.source = open(source, weft::Kind::source, 4, num_rows);
  table.segments.push_back(std::move(segment));
}

void add_link(weft::Graph& graph, const std::string& name, std::uint32_t child, std::uint32_t parent) {
  if (child >= graph.tables.size() || parent >= graph.tables.size()) throw nb::value_error("no such table");
  graph.links.push_back({name, child, parent, {}});
}

void add_link_segment(weft::Graph& graph, std::uint32_t first_parent, const Named& parent, const Named& offsets,
                      const MaybeNamed& children, const MaybeNamed& parents, const MaybeNamed& low) {
  weft::Link& link = graph.links.at(graph.links.size() - 1);
  const weft::Table& table = graph.tables[link.child];
  const weft::TableSegment& rows = table.segments.at(link.segments.size());
  weft::LinkSegment segment;
  segment.is_timed = static_cast<bool>(rows.time);
  segment.parent = open(parent, weft::Kind::parent, 4, rows.num_rows);
  segment.offsets = open(offsets, weft::Kind::offsets, 4);
  segment.children = open(children, segment.is_timed ? weft::Kind::children : weft::Kind::children_row,
                          segment.is_timed ? 8 : 4);
  if (segment.offsets.num_items() == 0) throw nb::value_error("a link without offsets");
  segment.parents = open(parents, weft::Kind::sparse_parent, 4, segment.offsets.num_items() - 1);
  segment.low = open(low, weft::Kind::low, 4, segment.children ? segment.children.num_items() : 0);
  segment.first_parent = first_parent;
  link.segments.push_back(std::move(segment));
}

void make_resident(weft::Graph& graph) {
  nb::gil_scoped_release released;
  for (weft::Table& table : graph.tables) {
    for (weft::TableSegment& segment : table.segments) {
      for (weft::MappedFile* file : {&segment.rows, &segment.time, &segment.low, &segment.source}) {
        if (*file) file->make_resident();
      }
    }
  }
  for (weft::Link& link : graph.links) {
    for (weft::LinkSegment& segment : link.segments) {
      for (weft::MappedFile* file : {&segment.parent, &segment.offsets, &segment.children, &segment.parents,
                                     &segment.low}) {
        if (*file) file->make_resident();
      }
    }
  }
}

void check_table(const weft::Graph& graph, std::uint32_t table, const In<std::uint32_t>& rows) {
  if (table >= graph.tables.size()) throw nb::value_error("no such table");
  for (std::size_t i = 0; i < rows.size(); ++i) graph.check_row(table, rows.data()[i]);
}

nb::typed<nb::list, nb::object> gather(const weft::Graph& graph, std::uint32_t table, const In<std::uint32_t>& rows, std::size_t threads) {
  check_table(graph, table, rows);
  std::vector<weft::Buffer<std::byte>> sections;
  {
    nb::gil_scoped_release released;
    sections = weft::gather(graph.tables[table], {rows.data(), rows.size()}, threads);
  }
  return weft_bindings::sections_to_numpy(graph.tables[table], std::move(sections), rows.size());
}

auto times(const weft::Graph& graph, std::uint32_t table, const In<std::uint32_t>& rows) {
  check_table(graph, table, rows);
  weft::Buffer<std::int64_t> out(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = graph.time_us(table, rows.data()[i]);
  return weft_bindings::to_numpy(std::move(out));
}

auto source_rows(const weft::Graph& graph, std::uint32_t table, const In<std::uint32_t>& rows) {
  check_table(graph, table, rows);
  weft::Buffer<std::uint64_t> out(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = graph.source_row(table, rows.data()[i]);
  return weft_bindings::to_numpy(std::move(out));
}

}  // namespace

void bind_graph(nb::module_& m) {
  nb::class_<weft::Graph>(m, "Graph", "Tables and links of a materialized graph, mapped. See weft.graph.Store.")
      .def(nb::init<>())
      .def("add_table", &add_table, "name"_a, "num_rows"_a, "stride"_a, "sections"_a, "null_row"_a,
           "Add a table; sections are (offset, bytes) within a row.")
      .def("add_table_segment", &add_table_segment, "first_row"_a, "num_rows"_a, "first_source"_a, "origin_us"_a, "unit_us"_a,
           "rows"_a.none(), "time"_a.none(), "low"_a.none(), "source"_a.none(),
           "Add rows to the last table; files are (path, root checksum).")
      .def("add_link", &add_link, "name"_a, "child"_a, "parent"_a, "Add a link between two tables, by index.")
      .def("add_link_segment", &add_link_segment, "first_parent"_a, "parent"_a, "offsets"_a, "children"_a.none(),
           "parents"_a.none(), "low"_a.none(), "Add the edges of the next segment of the last link's child table.")
      .def("finish", &weft::Graph::finish, "Make the graph ready for sampling.")
      .def("make_resident", &make_resident, "Copy every file into memory with huge pages.")
      .def("gather", &gather, "table"_a, "rows"_a, "threads"_a,
           "Copy the values of rows; one (rows, bytes) uint8 array per section.")
      .def("times", &times, "table"_a, "rows"_a, "Times of rows in microseconds, the least integer where there is none.")
      .def("source_rows", &source_rows, "table"_a, "rows"_a, "Numbers of rows in the prepared table.");
}
