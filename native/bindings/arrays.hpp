// Arrays in and out of Python without copies.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "buffer.hpp"
#include "graph.hpp"

namespace weft_bindings {

// A contiguous numpy array on the CPU, read only.
template <class T>
using In = nanobind::ndarray<const T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

// Hands a vector to numpy, which frees it when the last view is gone.
template <class T>
nanobind::ndarray<nanobind::numpy, T> to_numpy(std::vector<T> values, std::initializer_list<std::size_t> shape) {
  auto* owned = new std::vector<T>(std::move(values));
  nanobind::capsule owner(owned, [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
  return nanobind::ndarray<nanobind::numpy, T>(owned->data(), shape, owner);
}

template <class T>
nanobind::ndarray<nanobind::numpy, T> to_numpy(std::vector<T> values) {
  const std::size_t size = values.size();
  return to_numpy(std::move(values), {size});
}

// The same for a buffer of the engine.
template <class T>
nanobind::ndarray<nanobind::numpy, T> to_numpy(weft::Buffer<T> values, std::size_t rows, std::size_t width) {
  auto* owned = new weft::Buffer<T>(std::move(values));
  nanobind::capsule owner(owned, [](void* pointer) noexcept { delete static_cast<weft::Buffer<T>*>(pointer); });
  // An empty buffer has no memory; numpy wants a pointer all the same.
  T* data = owned->data() != nullptr ? owned->data() : reinterpret_cast<T*>(owned);
  const std::size_t shape[2] = {rows, width};
  return nanobind::ndarray<nanobind::numpy, T>(data, width == 0 ? 1 : 2, shape, owner);
}

template <class T>
nanobind::ndarray<nanobind::numpy, T> to_numpy(weft::Buffer<T> values) {
  const std::size_t size = values.size();
  return to_numpy(std::move(values), size, 0);
}

// Sections of gathered rows, each an array of bytes of shape (rows, bytes of the section).
inline nanobind::typed<nanobind::list, nanobind::object> sections_to_numpy(const weft::Table& table, std::vector<weft::Buffer<std::byte>> sections,
                                        std::size_t num_rows) {
  nanobind::typed<nanobind::list, nanobind::object> out;
  for (std::size_t s = 0; s < sections.size(); ++s) {
    auto* owned = new weft::Buffer<std::byte>(std::move(sections[s]));
    nanobind::capsule owner(owned,
                            [](void* pointer) noexcept { delete static_cast<weft::Buffer<std::byte>*>(pointer); });
    void* data = owned->data() != nullptr ? static_cast<void*>(owned->data()) : owned;
    out.append(nanobind::ndarray<nanobind::numpy, std::uint8_t>(data, {num_rows, table.sections[s].bytes}, owner));
  }
  return out;
}

}  // namespace weft_bindings
