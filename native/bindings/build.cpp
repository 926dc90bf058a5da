// Building a graph: orders, edges, rows.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "edges.hpp"
#include "exported.hpp"
#include "pack.hpp"
#include "times.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using Released = nb::call_guard<nb::gil_scoped_release>;

namespace {

void bind_times(nb::module_& m) {
  nb::class_<weft::TimePlan>(m, "TimePlan", "How times become codes.")
      .def(nb::init<>())
      .def_ro("has_times", &weft::TimePlan::has_times)
      .def_ro("has_low", &weft::TimePlan::has_low)
      .def_ro("origin", &weft::TimePlan::origin)
      .def_ro("unit", &weft::TimePlan::unit)
      .def_ro("newest", &weft::TimePlan::newest);
  nb::class_<weft::TimeSpill>(m, "TimeSpill", "Times on their way to codes.")
      .def(nb::init<const std::string&>(), "path"_a)
      .def(
          "add",
          [](weft::TimeSpill& spill, nb::handle batch, unsigned column) {
            const weft_bindings::Exported exported(batch);
            nb::gil_scoped_release released;
            spill.add(exported.column(column));
          },
          "batch"_a, "column"_a, "Take the times of a record batch.")
      .def("finish", &weft::TimeSpill::finish, Released(), "Close the file and choose the unit.");
  m.def("encode_times", &weft::encode_times, "times"_a, "count"_a, "plan"_a, "codes"_a, "lows"_a, Released(),
        "Write the code of each time, and its low where the plan has lows.");
}

void bind_orders(nb::module_& m) {
  nb::class_<weft::GroupTask>(m, "GroupTask", "Rows to group by parent and sort by time.")
      .def(nb::init<>())
      .def_rw("parents", &weft::GroupTask::parents)
      .def_rw("codes", &weft::GroupTask::codes)
      .def_rw("lows", &weft::GroupTask::lows)
      .def_rw("values", &weft::GroupTask::values)
      .def_rw("count", &weft::GroupTask::count)
      .def_rw("first_value", &weft::GroupTask::first_value)
      .def_rw("num_groups", &weft::GroupTask::num_groups)
      .def_rw("keep_orphans", &weft::GroupTask::keep_orphans)
      .def_rw("scratch", &weft::GroupTask::scratch)
      .def_rw("budget", &weft::GroupTask::budget)
      .def_rw("threads", &weft::GroupTask::threads);
  m.def(
      "write_order",
      [](const weft::GroupTask& task, const std::string& group_rows, const std::string& source,
         const std::string& time, const std::string& low, const std::string& parent, const std::string& offsets) {
        weft::OrderFiles files{{source}, {time}, {low}, {parent}, {offsets}};
        weft::write_order(task, group_rows, files);
        return std::vector<std::uint32_t>{files.source.root, files.time.root, files.low.root, files.parent.root,
                                          files.offsets.root};
      },
      "task"_a, "group_rows"_a, "source"_a, "time"_a, "low"_a, "parent"_a, "offsets"_a, Released(),
      "Order rows by parent, time and number; an empty path is not written. Return the roots in order of the paths.");
  m.def(
      "write_children",
      [](const weft::GroupTask& task, const std::string& offsets, const std::string& children) {
        weft::EdgeFiles files{{offsets}, {children}};
        weft::write_children(task, files);
        return std::vector<std::uint32_t>{files.offsets.root, files.children.root};
      },
      "task"_a, "offsets"_a, "children"_a, Released(), "Write the children of each parent by time; return both roots.");
  m.def("write_inverse", &weft::write_inverse, "source"_a, "count"_a, "first_number"_a, "first_row"_a, "inverse"_a,
        "budget"_a, Released(), "Write the row of each number of a `source` file.");
  m.def("write_parents", &weft::write_parents, "parents"_a, "count"_a, "inverse"_a, "first_row"_a, "path"_a,
        "budget"_a, Released(), "Write parents in order of rows; return the root.");
  m.def(
      "write_u32",
      [](const std::string& scratch, std::uint64_t count, weft::Kind kind, const std::string& path) {
        return weft::write_u32(scratch, count, static_cast<std::uint32_t>(kind), path);
      },
      "scratch"_a, "count"_a, "kind"_a, "path"_a, Released(), "Write a scratch file as a file; return the root.");
  m.def("restore_order", &weft::restore_order, "values"_a, "source"_a, "count"_a, "first_number"_a, "out"_a, "budget"_a,
        Released(), "Write what a file holds per row in order of prepared numbers, as scratch.");
  m.def("write_identity", &weft::write_identity, "first"_a, "count"_a, "out"_a, Released(), "Write successive numbers.");
  m.def(
      "exchange",
      [](const std::string& left, const std::string& right) { return weft::exchange_paths(left, right); }, "left"_a,
      "right"_a, Released(), "Exchange two folders in one step; return false where the system cannot.");
  m.def(
      "write_sparse",
      [](const std::string& parents, std::uint64_t count, const std::string& groups, const std::string& path) {
        weft::Written sparse{path};
        const std::uint32_t size = weft::write_sparse(parents, count, groups, sparse);
        return std::make_tuple(size, sparse.root);
      },
      "parents"_a, "count"_a, "groups"_a, "path"_a, Released(),
      "Write the parents that occur and each row's place among them; return their number and the root.");
}

void bind_dictionaries(nb::module_& m) {
  nb::class_<weft::Dictionary>(m, "Dictionary", "Distinct values in order of first appearance.")
      .def(nb::init<bool, const weft::StoredIndex*>(), "is_text"_a, "known"_a.none(), nb::keep_alive<1, 3>())
      .def("__len__", &weft::Dictionary::size)
      .def_prop_ro("size_bytes", &weft::Dictionary::bytes)
      .def(
          "values",
          [](const weft::Dictionary& dictionary, std::uint32_t first, std::uint32_t last) {
            const auto& ends = dictionary.ends();
            if (first > last || last > dictionary.size()) throw nb::index_error("codes out of range");
            const std::uint64_t start = ends[first];
            std::vector<std::int32_t> offsets;
            for (std::uint32_t i = first; i <= last; ++i) offsets.push_back(static_cast<std::int32_t>(ends[i] - start));
            std::vector<std::uint8_t> bytes(dictionary.arena().begin() + static_cast<std::ptrdiff_t>(start),
                                            dictionary.arena().begin() + static_cast<std::ptrdiff_t>(ends[last]));
            return std::make_tuple(weft_bindings::to_numpy(std::move(offsets)), weft_bindings::to_numpy(std::move(bytes)));
          },
          "first"_a, "last"_a, "Return offsets and bytes of some new values.")
      .def(
          "value_bytes",
          [](const weft::Dictionary& dictionary, std::uint32_t code) {
            if (code >= dictionary.size()) throw nb::index_error("code out of range");
            return dictionary.ends()[code + 1] - dictionary.ends()[code];
          },
          "code"_a, "Return the length of one value.");
  nb::class_<weft::FirstRows>(m, "FirstRows", "The first row with each row's value, in bounded memory.")
      .def(nb::init<std::uint64_t, const std::string&, const std::string&, std::uint64_t>(), "least"_a, "before"_a,
           "out"_a, "budget"_a)
      .def(
          "add",
          [](weft::FirstRows& rows, nb::handle batch, unsigned column) {
            const weft_bindings::Exported exported(batch);
            nb::gil_scoped_release released;
            rows.add(exported.column(column));
          },
          "batch"_a, "column"_a, "Take the values of a record batch.")
      .def("finish", &weft::FirstRows::finish, Released(), "Close the file; return where the next pass begins or 0.");
  m.def("number_first_rows", &weft::number_first_rows, "firsts"_a, "count"_a, "codes"_a, Released(),
        "Number the rows that are the first of their value; return how many there are.");
}

void bind_rows(nb::module_& m) {
  nb::enum_<weft::Storage>(m, "Packing", "How a value lies in a row.")
      .value("int64", weft::Storage::int64)
      .value("float64", weft::Storage::float64)
      .value("float32", weft::Storage::float32)
      .value("int32", weft::Storage::int32)
      .value("uint8", weft::Storage::uint8);
  nb::class_<weft::PackColumn>(m, "PackColumn", "How a column of a batch is packed.")
      .def(
          "__init__",
          [](weft::PackColumn* self, unsigned column, weft::Storage storage, std::uint32_t offset, std::uint32_t width,
             std::string name, weft::Dictionary* dictionary, std::string codes) {
            new (self) weft::PackColumn{column, storage, offset, width, std::move(name), dictionary, std::move(codes)};
          },
          "column"_a, "storage"_a, "offset"_a, "width"_a, "name"_a, "dictionary"_a.none(), "codes"_a,
          nb::keep_alive<1, 7>());
  nb::class_<weft::RowWriter>(m, "RowWriter", "Packed rows on their way to their places.")
      .def(nb::init<const std::string&, std::uint32_t, std::uint64_t, const std::string&, std::uint32_t,
                    const std::string&, std::uint64_t>(),
           "path"_a, "stride"_a, "count"_a, "inverse"_a, "first_row"_a, "scratch"_a, "budget"_a)
      .def("finish", &weft::RowWriter::finish, Released(), "Write what is left; return the root.");
  nb::class_<weft::RowPacker>(m, "RowPacker", "Packs batches and hands the rows to a writer.")
      .def(nb::init<std::uint32_t, std::vector<weft::PackColumn>, weft::RowWriter&, unsigned>(), "stride"_a, "columns"_a,
           "writer"_a, "threads"_a, nb::keep_alive<1, 3>(), nb::keep_alive<1, 4>())
      .def(
          "add",
          [](weft::RowPacker& packer, nb::handle batch) {
            const weft_bindings::Exported exported(batch);
            nb::gil_scoped_release released;
            return packer.add(exported.batch());
          },
          "batch"_a, "Pack a record batch; return false when a number needs a wider storage.");
  m.def(
      "width_of",
      [](nb::handle batch, unsigned column) {
        const weft_bindings::Exported exported(batch);
        nb::gil_scoped_release released;
        switch (weft::width_of(exported.column(column))) {
          case weft::Width::single:
            return weft::Storage::float32;
          case weft::Width::wide:
            return weft::Storage::float64;
          default:
            return weft::Storage::int64;
        }
      },
      "batch"_a, "column"_a, "Return the narrowest storage that keeps every number of a column.");
  m.def(
      "first_vector_length",
      [](nb::handle batch, unsigned column) {
        const weft_bindings::Exported exported(batch);
        return weft::first_vector_length(exported.column(column));
      },
      "batch"_a, "column"_a, "Return the length of the first vector, -1 where all are null.");
}

}  // namespace

void bind_build(nb::module_& m) {
  bind_times(m);
  bind_orders(m);
  bind_dictionaries(m);
  bind_rows(m);
}
