#include "format.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "checksum.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void bind_files(nb::module_& m) {
  nb::enum_<weft::Kind>(m, "Kind", "What a file of a graph holds.")
      .value("rows", weft::Kind::rows)
      .value("time", weft::Kind::time)
      .value("low", weft::Kind::low)
      .value("source", weft::Kind::source)
      .value("parent", weft::Kind::parent)
      .value("offsets", weft::Kind::offsets)
      .value("children", weft::Kind::children)
      .value("children_row", weft::Kind::children_row)
      .value("sparse_parent", weft::Kind::sparse_parent)
      .value("key_direct", weft::Kind::key_direct)
      .value("key_slots", weft::Kind::key_slots)
      .value("key_values", weft::Kind::key_values)
      .value("key_offsets", weft::Kind::key_offsets)
      .value("key_bytes", weft::Kind::key_bytes)
      .value("dangling", weft::Kind::dangling);

  m.def(
      "write_file",
      [](const std::string& path, weft::Kind kind, std::uint64_t item_bytes, weft_bindings::In<std::uint8_t> data,
         bool through) {
        const std::uint8_t* bytes = data.data();
        const std::size_t size = data.size();
        nb::gil_scoped_release released;
        weft::FileWriter writer(path, kind, item_bytes);
        writer.append(bytes, size);
        return writer.finish(through);
      },
      "path"_a, "kind"_a, "item_bytes"_a, "data"_a, "through"_a = true,
      "Write the bytes of an array as one file of a graph, through to the device; return its root checksum.");
  m.def(
      "check_file",
      [](const std::string& path, weft::Kind kind, std::uint64_t item_bytes, std::uint32_t root) {
        nb::gil_scoped_release released;
        const weft::MappedFile file(path, kind, item_bytes, root);
        file.need_all();
        return file.payload_bytes();
      },
      "path"_a, "kind"_a, "item_bytes"_a, "root"_a,
      "Check header and every block of a file; return its payload in bytes.");
}
