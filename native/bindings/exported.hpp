// Record batches that Python hands over through the Arrow C data interface.
#pragma once

#include <nanobind/nanobind.h>

#include "arrow.hpp"

namespace weft_bindings {

// Views a record batch and keeps it alive.
class Exported {
 public:
  explicit Exported(nanobind::handle record_batch) {
    pair_ = nanobind::cast<nanobind::tuple>(record_batch.attr("__arrow_c_array__")());
    const auto schema = nanobind::cast<nanobind::capsule>(pair_[0]);
    const auto array = nanobind::cast<nanobind::capsule>(pair_[1]);
    batch_ = weft::view_batch(*static_cast<const ArrowSchema*>(schema.data("arrow_schema")),
                              *static_cast<const ArrowArray*>(array.data("arrow_array")));
  }
  const weft::Batch& batch() const noexcept { return batch_; }
  const weft::Column& column(unsigned index) const {
    if (index >= batch_.columns.size()) throw nanobind::index_error("no such column");
    return batch_.columns[index];
  }

 private:
  nanobind::tuple pair_;
  weft::Batch batch_;
};

}  // namespace weft_bindings
