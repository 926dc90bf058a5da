#include "negatives.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <limits>

#include "arrays.hpp"
#include "bindings.hpp"
#include "timeorder.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using weft_bindings::In;

namespace {

weft::RowLists lists(const In<std::int64_t>& offsets, const In<std::uint32_t>& rows, std::size_t num_seeds) {
  const std::int64_t* at = offsets.data();
  if (offsets.size() != num_seeds + 1 || at[0] != 0 || !std::is_sorted(at, at + offsets.size()) ||
      at[num_seeds] != static_cast<std::int64_t>(rows.size()) ||
      rows.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw nb::value_error("offsets that do not fit");
  }
  return {{at, offsets.size()}, {rows.data(), rows.size()}};
}

nb::ndarray<nb::numpy, std::uint32_t> sample_negatives(
    const weft::Graph& graph, std::uint32_t choice, std::uint32_t table, std::uint32_t link,
    const weft::TimeOrder* rows, const weft::TimeOrder* parents, const In<std::int64_t>& anchors_us,
    const In<std::uint64_t>& keys, const In<std::int64_t>& excluded_offsets, const In<std::uint32_t>& excluded_rows,
    const In<std::int64_t>& positive_offsets, const In<std::uint32_t>& positive_rows, std::uint32_t num,
    std::uint64_t seed, std::uint64_t epoch, std::size_t threads) {
  const std::size_t num_seeds = keys.size();
  if (choice > 2 || table >= graph.tables.size() || num == 0 || anchors_us.size() != num_seeds) {
    throw nb::value_error("arrays of different lengths, or no such table or choice");
  }
  weft::NegativeOptions options{static_cast<weft::NegativeChoice>(choice), table, link, rows, parents, seed, epoch};
  if (options.choice != weft::NegativeChoice::in_batch &&
      (rows == nullptr || rows->size() != graph.tables[table].num_rows)) {
    throw nb::value_error("the order of rows is of another table");
  }
  if (options.choice == weft::NegativeChoice::popularity &&
      (link >= graph.links.size() || graph.links[link].parent != table || parents == nullptr ||
       parents->size() != graph.tables[graph.links[link].child].num_rows)) {
    throw nb::value_error("the order of parents is of another link");
  }
  const weft::NegativeSeeds seeds{{anchors_us.data(), num_seeds},
                                  {keys.data(), num_seeds},
                                  lists(excluded_offsets, excluded_rows, num_seeds),
                                  lists(positive_offsets, positive_rows, num_seeds)};
  weft::Buffer<std::uint32_t> out(num_seeds * num);
  {
    nb::gil_scoped_release released;
    weft::sample_negatives(graph, options, seeds, num, threads, out.data());
  }
  return weft_bindings::to_numpy(std::move(out), num_seeds, num);
}

}  // namespace

void bind_negatives(nb::module_& m) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<weft::TimeOrder>(m, "TimeOrder", "The rows of a table by time, or what they are linked to.")
      .def("__len__", &weft::TimeOrder::size)
      .def("visible", &weft::TimeOrder::visible, "anchor_us"_a, "How many rows are not later than an anchor.")
      .def_prop_ro("size_bytes", &weft::TimeOrder::size_bytes);
  m.def("order_rows", &weft::TimeOrder::of_rows, "graph"_a, "table"_a, "threads"_a, Released(),
        "Order the rows of a table by time, then by number in the prepared table.");
  m.def("order_parents", &weft::TimeOrder::of_parents, "graph"_a, "link"_a, "threads"_a, Released(),
        "Order the parents of a link's child rows by time and number of those rows.");
  m.def("sample_negatives", &sample_negatives, "graph"_a, "choice"_a, "table"_a, "link"_a, "rows"_a.none(),
        "parents"_a.none(), "anchors_us"_a, "keys"_a, "excluded_offsets"_a, "excluded_rows"_a, "positive_offsets"_a,
        "positive_rows"_a, "num"_a, "seed"_a, "epoch"_a, "threads"_a,
        "Draw rows that existed at the anchors of seeds; (seeds, num), NO_ROW where there are fewer.");
}
