#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "check.hpp"
#include "limits.hpp"

namespace {

// A table of one segment; byte `i` of row `r` is r + i.
weft::Table write_table(const std::string& path, std::uint32_t num_rows, std::uint32_t stride) {
  std::vector<std::uint8_t> bytes(std::size_t{num_rows} * stride);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i / stride + i % stride);
  weft::FileWriter writer(path, weft::Kind::rows, stride);
  writer.append(bytes.data(), bytes.size());
  const std::uint32_t root = writer.finish(false);
  weft::Table table;
  table.num_rows = num_rows;
  table.stride = stride;
  table.segments.emplace_back();
  table.segments[0].num_rows = num_rows;
  table.segments[0].rows = weft::MappedFile(path, weft::Kind::rows, stride, root);
  return table;
}

}  // namespace

TEST("rows of any width are copied whole, in the order that was asked for") {
  for (const std::uint32_t stride : {8u, 40u, 64u, 128u, 256u}) {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("weft-limits-" + std::to_string(::getpid()))).string();
    const weft::Table table = write_table(path, 100, stride);
    std::vector<std::uint32_t> rows;
    for (std::uint32_t i = 0; i < 100; ++i) rows.push_back(i * 37 % 100);
    std::vector<std::byte> out(rows.size() * stride);
    weft::copy_rows(table, rows, out.data());
    bool is_equal = true;
    for (std::size_t i = 0; i < out.size(); ++i) {
      is_equal = is_equal && out[i] == static_cast<std::byte>(rows[i / stride] + i % stride);
    }
    EXPECT(is_equal);
    std::filesystem::remove(path);
  }
}

TEST("random reads depend on the key alone, on any kind of pages") {
  const weft::ProbeMemory small(1 << 16, false);
  const weft::ProbeMemory huge(1 << 16, true);
  EXPECT(small.size_bytes() == 1 << 16);
  EXPECT(small.read_words(1000, 1) == huge.read_words(1000, 1));
  EXPECT(small.read_words(1000, 1) != small.read_words(1000, 2));
  // Word i holds i, so that the mean of random words is about half of their number.
  const double mean = static_cast<double>(small.read_words(100000, 3)) / 100000.0;
  EXPECT(mean > 0.48 * 8192 && mean < 0.52 * 8192);
}

int main() { return check::run_all(); }
