// What the tests of the build share: a folder, scratch files, columns over vectors.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "arrow.hpp"
#include "format.hpp"
#include "scratch.hpp"

namespace kit {

struct Folder {
  std::filesystem::path path;
  explicit Folder(const char* name)
      : path(std::filesystem::temp_directory_path() / (std::string(name) + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
};

template <class T>
void write(const std::string& path, const std::vector<T>& items) {
  weft::ScratchWriter writer(path);
  writer.append(items.data(), items.size() * sizeof(T));
  writer.finish();
}

template <class T>
std::vector<T> read(const std::string& path) {
  std::vector<T> items(std::filesystem::file_size(path) / sizeof(T));
  weft::ScratchReader(path, sizeof(T)).read(items.data(), items.size());
  return items;
}

// The payload of a file of a graph, checked.
template <class T>
std::vector<T> load(const std::string& path, weft::Kind kind, std::uint32_t root, std::uint64_t item = sizeof(T)) {
  const weft::MappedFile file(path, kind, item, root);
  file.need_all();
  return {file.as<T>(), file.as<T>() + file.payload_bytes() / sizeof(T)};
}

inline std::string whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Texts as an Arrow column.
struct Texts {
  std::string data;
  std::vector<std::int32_t> ends = {0};
  explicit Texts(const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      data += value;
      ends.push_back(static_cast<std::int32_t>(data.size()));
    }
  }
  weft::Column column() const {
    weft::Column one;
    one.type = weft::ColumnType::text;
    one.length = static_cast<std::int64_t>(ends.size()) - 1;
    one.ends = ends.data();
    one.values = data.data();
    return one;
  }
};

// Which values are there, as Arrow's bits.
inline std::vector<std::uint8_t> bits(const std::vector<bool>& given) {
  std::vector<std::uint8_t> found(given.size() / 8 + 1);
  for (std::size_t i = 0; i < given.size(); ++i) found[i / 8] |= static_cast<std::uint8_t>(given[i] << (i % 8));
  return found;
}

template <class T>
weft::Column column_of(weft::ColumnType type, const std::vector<T>& values,
                       const std::vector<std::uint8_t>* validity = nullptr) {
  weft::Column one;
  one.type = type;
  one.length = static_cast<std::int64_t>(values.size());
  one.values = values.data();
  one.validity = validity == nullptr ? nullptr : validity->data();
  return one;
}

inline weft::Batch batch_of(std::vector<weft::Column> columns) {
  weft::Batch batch;
  batch.length = columns.front().length;
  batch.columns = std::move(columns);
  return batch;
}

}  // namespace kit
