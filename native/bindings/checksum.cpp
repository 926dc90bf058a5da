#include "checksum.hpp"

#include <nanobind/nanobind.h>

#include "arrays.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void bind_checksum(nb::module_& m) {
  m.def(
      "crc32c",
      [](weft_bindings::In<std::uint8_t> data, std::uint32_t seed) {
        const std::uint8_t* bytes = data.data();
        const std::size_t size = data.size();
        nb::gil_scoped_release released;
        return weft::crc32c(bytes, size, seed);
      },
      "data"_a, "seed"_a = 0, "Return the CRC-32C of the bytes of an array; seed continues an earlier one.");
}
