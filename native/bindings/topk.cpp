#include "topk.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>

#include "arrays.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
using Matrix = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using List = weft_bindings::In<T>;

// A selection and the arrays of the users at hand, which it reads until the next ones.
struct Selection {
  Selection(std::size_t num_users, std::size_t k) : top(num_users, k), capacity(num_users), width(k) {}

  weft::TopK top;
  std::size_t capacity;
  std::size_t width;
  std::optional<List<std::int64_t>> offsets;
  std::optional<List<std::uint32_t>> items;
};

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

void begin(Selection& selection, std::uint64_t first_user, std::size_t num_users, std::uint64_t num_items,
           std::optional<List<std::int64_t>> offsets, std::optional<List<std::uint32_t>> items) {
  require(num_users <= selection.capacity, "more users than the selection was made for");
  require(offsets.has_value() == items.has_value(), "offsets and items come together");
  weft::SeenItems seen;
  if (offsets) {
    require(offsets->size() == num_users + 1, "offsets are one more than users");
    seen = {{offsets->data(), offsets->size()}, {items->data(), items->size()}};
  }
  selection.offsets = std::move(offsets);
  selection.items = std::move(items);
  nb::gil_scoped_release released;
  selection.top.begin(first_user, num_users, seen, num_items);
}

void push(Selection& selection, Matrix<const float> scores, std::uint32_t first_item,
          std::optional<List<std::uint32_t>> ids) {
  const std::size_t width = scores.shape(1);
  require(scores.shape(0) == selection.top.num_users(), "scores have one row per user");
  require(!ids || ids->size() == width, "there is one item per column of the scores");
  const std::uint32_t* numbers = ids ? ids->data() : nullptr;
  nb::gil_scoped_release released;
  selection.top.push(scores.data(), width, first_item, numbers);
}

void finish(Selection& selection, Matrix<std::int64_t> items, Matrix<float> scores) {
  const std::size_t width = items.shape(1);
  require(items.shape(0) == selection.top.num_users() && scores.shape(0) == items.shape(0) &&
              scores.shape(1) == width && width >= selection.width,
          "results have one row per user and at least k columns");
  nb::gil_scoped_release released;
  selection.top.finish(items.data(), scores.data(), width);
}

}  // namespace

void bind_topk(nb::module_& m) {
  nb::class_<Selection>(m, "Selection", "The best k items of some users, from tiles of scores.")
      .def(nb::init<std::size_t, std::size_t>(), "num_users"_a, "k"_a)
      .def("begin", &begin, "first_user"_a, "num_users"_a, "num_items"_a, "offsets"_a.none(), "items"_a.none(),
           "Start with other users; seen items as CSR, or None.")
      .def("push", &push, "scores"_a, "first_item"_a, "ids"_a.none(),
           "Take the scores (num_users, n) of n items: those of ids, or first_item and the following.")
      .def("finish", &finish, "items"_a, "scores"_a, "Write items and scores, best first, padded by -1 and -inf.");
  m.def(
      "selection_bytes", [](std::size_t num_users, std::size_t k) { return weft::TopK::bytes(num_users, k); },
      "num_users"_a, "k"_a, "Return the memory of a selection.");
  m.def(
      "normalize_rows",
      [](Matrix<const float> rows, Matrix<float> out) {
        require(rows.shape(0) == out.shape(0) && rows.shape(1) == out.shape(1), "shapes are equal");
        nb::gil_scoped_release released;
        weft::normalize_rows(rows.data(), rows.shape(0), rows.shape(1), out.data());
      },
      "rows"_a, "out"_a, "Write each row divided by its Euclidean length; zeros stay.");
}
