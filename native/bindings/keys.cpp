// Building a graph: keys and the links that point to them.
#include "keys.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <numeric>

#include "arrays.hpp"
#include "bindings.hpp"
#include "exported.hpp"
#include "keyfiles.hpp"
#include "resolve.hpp"
#include "storedkeys.hpp"
#include "tasks.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using Released = nb::call_guard<nb::gil_scoped_release>;
using weft_bindings::Exported;
using weft_bindings::In;
using Columns = std::vector<unsigned>;

namespace {

weft::KeyReader read_keys(const Exported& exported, const Columns& columns) {
  for (const unsigned column : columns) (void)exported.column(column);
  return weft::KeyReader(exported.batch(), columns);
}

void bind_spill(nb::module_& m) {
  nb::class_<weft::KeyShape>(m, "KeyShape", "What is known about the keys of a table.")
      .def_ro("is_integer", &weft::KeyShape::is_integer)
      .def_ro("all_uuid", &weft::KeyShape::all_uuid)
      .def_ro("num_keys", &weft::KeyShape::num_keys)
      .def_ro("num_null", &weft::KeyShape::num_null)
      .def_ro("least", &weft::KeyShape::least)
      .def_prop_ro("is_dense", &weft::KeyShape::is_dense)
      .def_prop_ro("index_bytes", [](const weft::KeyShape& shape) { return weft::index_bytes(shape); });
  nb::class_<weft::KeySpill>(m, "KeySpill", "Keys of a table on disk while a graph is built.")
      .def(nb::init<const std::string&, bool, std::uint32_t>(), "stem"_a, "is_integer"_a, "first_row"_a)
      .def(
          "add",
          [](weft::KeySpill& spill, nb::handle batch, const Columns& columns) {
            const Exported exported(batch);
            const weft::KeyReader keys = read_keys(exported, columns);
            nb::gil_scoped_release released;
            spill.add(keys);
          },
          "batch"_a, "columns"_a, "Take the keys of a record batch.")
      .def("finish", &weft::KeySpill::finish, Released(), "Close the files; return the shape.");
}

// Path and root of a file, an empty path where there is none.
using FileOf = std::tuple<std::string, std::uint32_t>;

// Kind, rows, the first integer, and the files `direct`, `slots`, `values`, `offsets` and `bytes` of a segment.
using SegmentOf = std::tuple<weft::StoredKeys, std::uint64_t, std::int64_t, FileOf, FileOf, FileOf, FileOf, FileOf>;

std::unique_ptr<weft::MappedFile> open(const FileOf& file, weft::Kind kind, std::uint64_t item_bytes, bool is_wanted) {
  const auto& [path, root] = file;
  if (path.empty() == is_wanted) throw nb::value_error("files that are not those of the kind");
  return is_wanted ? std::make_unique<weft::MappedFile>(path, kind, item_bytes, root) : nullptr;
}

weft::KeyFiles open_segment(const SegmentOf& segment) {
  const auto& [kind, num_rows, first, direct, slots, values, offsets, bytes] = segment;
  const bool is_direct = kind == weft::StoredKeys::direct;
  const bool is_bytes = kind == weft::StoredKeys::bytes;
  const std::uint64_t width = kind == weft::StoredKeys::uuid ? sizeof(weft::Uuid) : sizeof(std::int64_t);
  weft::KeyFiles files;
  files.kind = kind;
  files.num_rows = num_rows;
  files.first = first;
  files.direct = open(direct, weft::Kind::key_direct, sizeof(std::uint32_t), is_direct);
  files.slots = open(slots, weft::Kind::key_slots, sizeof(weft::Slot), !is_direct);
  files.values = open(values, weft::Kind::key_values, width, !is_bytes);
  files.offsets = open(offsets, weft::Kind::key_offsets, sizeof(std::uint64_t), is_bytes);
  files.bytes = open(bytes, weft::Kind::key_bytes, 1, is_bytes);
  return files;
}

nb::ndarray<nb::numpy, std::uint32_t> find(const weft::StoredIndex& index, nb::handle batch, unsigned threads) {
  constexpr std::uint64_t kLeastKeys = 16384;
  const Exported exported(batch);
  Columns columns(exported.batch().columns.size());
  std::iota(columns.begin(), columns.end(), 0u);
  if (columns.empty()) throw nb::value_error("a key has columns");
  const weft::KeyReader keys(exported.batch(), columns);
  if (keys.is_integer() != index.is_integer()) throw nb::value_error("keys of another type");
  weft::Buffer<std::uint32_t> rows(static_cast<std::size_t>(keys.length()));
  {
    nb::gil_scoped_release released;
    weft::parallel_for(rows.size(), threads, kLeastKeys, [&](unsigned, std::uint64_t first, std::uint64_t last) {
      index.find(keys, static_cast<std::int64_t>(first), static_cast<std::int64_t>(last - first), rows.data() + first);
    });
  }
  return weft_bindings::to_numpy(std::move(rows));
}

void check_rows(const weft::StoredIndex& index, const In<std::uint32_t>& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.data()[i] >= index.num_rows() && rows.data()[i] != weft::kNone) throw nb::index_error("no such row");
  }
}

void bind_stored(nb::module_& m) {
  nb::class_<weft::StoredIndex, weft::KeyIndex>(m, "StoredIndex", "Keys in the files of a graph.")
      .def("find", &find, "batch"_a, "threads"_a,
           "Rows of keys, the columns of a record batch in the order of the key; NO_ROW where there is none.")
      .def(
          "integers",
          [](const weft::StoredIndex& index, const In<std::uint32_t>& rows) {
            check_rows(index, rows);
            if (!index.is_integer()) throw nb::value_error("keys of another type");
            weft::Buffer<std::int64_t> found;
            {
              nb::gil_scoped_release released;
              found = index.integers(rows.data(), rows.size());
            }
            return weft_bindings::to_numpy(std::move(found));
          },
          "rows"_a, "Integers of rows, 0 for NO_ROW.")
      .def(
          "texts",
          [](const weft::StoredIndex& index, const In<std::uint32_t>& rows) {
            check_rows(index, rows);
            if (index.is_integer()) throw nb::value_error("keys of another type");
            weft::KeyTexts found;
            {
              nb::gil_scoped_release released;
              found = index.texts(rows.data(), rows.size());
            }
            return std::make_tuple(weft_bindings::to_numpy(std::move(found.ends)),
                                   nb::bytes(found.bytes.data(), found.bytes.size()));
          },
          "rows"_a, "Bytes of rows, empty for NO_ROW: where each starts and the last ends, and the bytes.");
  m.def(
      "map_index",
      [](const std::vector<SegmentOf>& segments) {
        if (segments.empty()) throw nb::value_error("keys have segments");
        std::vector<weft::KeyFiles> files;
        for (const SegmentOf& segment : segments) files.push_back(open_segment(segment));
        return weft::map_index(std::move(files));
      },
      "segments"_a, Released(),
      "Open the key files of a graph: of each segment its kind, number of rows, first integer, and its files `direct`, "
      "`slots`, `values`, `offsets` and `bytes` as path and root.");
  m.def(
      "refuse_known_keys",
      [](const weft::StoredIndex& known, nb::handle batch, const Columns& columns, const std::string& what) {
        const Exported exported(batch);
        const weft::KeyReader keys = read_keys(exported, columns);
        if (keys.is_integer() != known.is_integer()) throw nb::value_error("keys of another type");
        nb::gil_scoped_release released;
        weft::refuse_known_keys(known, keys, what);
      },
      "known"_a, "batch"_a, "columns"_a, "what"_a, "Refuse keys of a record batch that some row has already.");
}

void bind_index(nb::module_& m) {
  nb::enum_<weft::StoredKeys>(m, "StoredKeys", "How the files of a table hold its keys.")
      .value("direct", weft::StoredKeys::direct)
      .value("integer", weft::StoredKeys::integer)
      .value("uuid", weft::StoredKeys::uuid)
      .value("bytes", weft::StoredKeys::bytes);
  nb::class_<weft::KeyIndex>(m, "KeyIndex", "Finds the rows of keys.");
  m.def("load_index", &weft::load_index, "stem"_a, "shape"_a, "pass_number"_a, "passes"_a, "what"_a, Released(),
        "Read one part of the keys of a spill into memory.");
  m.def("layer_index", &weft::layer_index, "known"_a, "fresh"_a, nb::keep_alive<0, 1>(), nb::keep_alive<0, 2>(),
        "An index over the keys of two: rows of the first, and of the second where that has none.");
}

void bind_links(nb::module_& m) {
  nb::class_<weft::LinkCounts>(m, "LinkCounts", "Edges of a link, and foreign keys without a parent.")
      .def_ro("num_edges", &weft::LinkCounts::num_edges)
      .def_ro("num_null", &weft::LinkCounts::num_null)
      .def_ro("num_dangling", &weft::LinkCounts::num_dangling);
  nb::class_<weft::LinkResolver>(m, "LinkResolver", "Foreign keys on their way to rows.")
      .def(nb::init<const weft::KeyIndex&, const std::string&, const std::string&, const std::string&>(), "index"_a,
           "parents"_a, "before"_a, "dangling"_a, nb::keep_alive<1, 2>())
      .def(
          "add",
          [](weft::LinkResolver& resolver, nb::handle batch, const Columns& columns, unsigned threads) {
            const Exported exported(batch);
            const weft::KeyReader keys = read_keys(exported, columns);
            nb::gil_scoped_release released;
            resolver.add(keys, threads);
          },
          "batch"_a, "columns"_a, "threads"_a, "Resolve the foreign keys of a record batch.")
      .def("finish", &weft::LinkResolver::finish, Released(), "Close the files; return the counts.");
  m.def("translate_parents", &weft::translate_parents, "parents"_a, "count"_a, "inverse"_a, "num_new"_a, "first_new"_a,
        "out"_a, "budget"_a, Released(), "Replace prepared numbers of parents by their rows.");
  m.def("write_dangling", &weft::write_dangling, "scratch"_a, "path"_a, "budget"_a, Released(),
        "Write hashes sorted and once each; return the root.");
  m.def(
      "is_any_key_dangling",
      [](const std::string& stem, const weft::KeyShape& shape, const std::string& path, std::uint32_t root) {
        const weft::MappedFile file(path, weft::Kind::dangling, sizeof(std::uint64_t), root);
        return weft::is_any_key_dangling(stem, shape, file);
      },
      "stem"_a, "shape"_a, "path"_a, "root"_a, Released(), "Say whether a key has a hash of a `dangling` file.");
}

void bind_files_of_keys(nb::module_& m) {
  nb::class_<weft::KeySource>(m, "KeySource", "Keys of a spill and their rows.")
      .def(
          "__init__",
          [](weft::KeySource* self, std::string stem, std::string rows, const weft::KeyShape& shape,
             std::uint64_t budget, std::string what, std::uint32_t first_row) {
            new (self) weft::KeySource{std::move(stem), std::move(rows), shape, budget, std::move(what), first_row};
          },
          "stem"_a, "rows"_a, "shape"_a, "budget"_a, "what"_a, "first_row"_a);
  m.def("write_key_direct", &weft::write_key_direct, "source"_a, "path"_a, Released(), "Return the root.");
  m.def("write_key_slots", &weft::write_key_slots, "source"_a, "kind"_a, "path"_a, Released(), "Return the root.");
  m.def("write_key_values", &weft::write_key_values, "source"_a, "kind"_a, "path"_a, Released(), "Return the root.");
  m.def(
      "write_key_bytes",
      [](const weft::KeySource& source, const std::string& offsets, const std::string& bytes) {
        const weft::KeyBytesRoots roots = weft::write_key_bytes(source, offsets, bytes);
        return std::make_tuple(roots.offsets, roots.bytes);
      },
      "source"_a, "offsets"_a, "bytes"_a, Released(), "Return both roots.");
}

}  // namespace

void bind_keys(nb::module_& m) {
  bind_spill(m);
  bind_index(m);
  bind_stored(m);
  bind_links(m);
  bind_files_of_keys(m);
}
