#include "arrow.hpp"

namespace weft {
namespace {

ColumnType type_of(const ArrowSchema& schema) {
  const std::string_view format = schema.format;
  if (format == "l") return ColumnType::integer;
  if (format == "g") return ColumnType::number;
  if (format == "b") return ColumnType::boolean;
  if (format == "u") return ColumnType::text;
  if (format.starts_with("tsu:")) return ColumnType::timestamp;
  if (format == "+l" && std::string_view(schema.children[0]->format) == "f") return ColumnType::vector;
  throw Error(Fault::invariant, "GRAPH025",
              "the reader gave column '" + std::string(schema.name == nullptr ? "" : schema.name) +
                  "' with the Arrow format '" + std::string(format) + "', which no prepared table has.",
              "make the reader cast its columns to the storage of their Dtype.");
}

Column view_column(const ArrowSchema& schema, const ArrowArray& array, std::int64_t first, std::int64_t length) {
  Column column;
  column.type = type_of(schema);
  column.length = length;
  column.offset = array.offset + first;
  column.validity = array.null_count == 0 ? nullptr : static_cast<const std::uint8_t*>(array.buffers[0]);
  if (column.type == ColumnType::text) {
    column.ends = static_cast<const std::int32_t*>(array.buffers[1]);
    column.values = array.buffers[2];
  } else if (column.type == ColumnType::vector) {
    const ArrowArray& inner = *array.children[0];
    column.ends = static_cast<const std::int32_t*>(array.buffers[1]);
    column.values = inner.buffers[1];
    column.inner_offset = inner.offset;
    column.inner_validity = inner.null_count == 0 ? nullptr : static_cast<const std::uint8_t*>(inner.buffers[0]);
  } else {
    column.values = array.buffers[1];
  }
  return column;
}

}  // namespace

Batch view_batch(const ArrowSchema& schema, const ArrowArray& array) {
  Batch batch;
  batch.length = array.length;
  for (std::int64_t i = 0; i < array.n_children; ++i) {
    batch.columns.push_back(view_column(*schema.children[i], *array.children[i], array.offset, array.length));
  }
  return batch;
}

}  // namespace weft
