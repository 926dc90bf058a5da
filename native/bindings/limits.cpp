#include "limits.hpp"

#include <nanobind/nanobind.h>

#include <algorithm>

#include "arrays.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using weft_bindings::In;

namespace {

using Out = nb::ndarray<std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::uint64_t read_words(const weft::ProbeMemory& memory, std::uint64_t count, std::uint64_t key) {
  nb::gil_scoped_release released;
  return memory.read_words(count, key);
}

void copy_rows(const weft::Graph& graph, std::uint32_t table, const In<std::uint32_t>& rows, Out out) {
  if (table >= graph.tables.size()) throw nb::value_error("no such table");
  const weft::Table& found = graph.tables[table];
  if (rows.size() > 0) graph.check_row(table, *std::max_element(rows.data(), rows.data() + rows.size()));
  if (found.segments.size() != 1 || !found.segments[0].rows) throw nb::value_error("not a table of one segment with rows");
  if (out.shape(0) != rows.size() || out.shape(1) != found.stride) throw nb::value_error("out has another shape");
  nb::gil_scoped_release released;
  weft::copy_rows(found, {rows.data(), rows.size()}, reinterpret_cast<std::byte*>(out.data()));
}

}  // namespace

void bind_limits(nb::module_& m) {
  nb::class_<weft::ProbeMemory>(m, "ProbeMemory", "Memory to measure random reads on, all of it touched.")
      .def(nb::init<std::size_t, bool>(), "size_bytes"_a, "has_huge_pages"_a)
      .def("read_words", &read_words, "count"_a, "key"_a, "Read words at random places; return their sum.");
  m.def("copy_rows", &copy_rows, "graph"_a, "table"_a, "rows"_a, "out"_a,
        "Copy whole rows and check nothing: the limit of a gather, for measuring alone.");
}
