#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <vector>

#include "check.hpp"
#include "checksum.hpp"
#include "error.hpp"
#include "format.hpp"

namespace fs = std::filesystem;
using weft::FileWriter;
using weft::Kind;
using weft::MappedFile;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("weft-format-" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

std::uint32_t write_numbers(const std::string& path, std::size_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 7u);
  FileWriter writer(path, Kind::time, 4);
  for (std::size_t i = 0; i < count; i += 1000) {
    writer.append(numbers.data() + i, std::min<std::size_t>(1000, count - i) * 4);
  }
  return writer.finish();
}

void damage(const std::string& path, std::size_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
}

}  // namespace

TEST("the checksum has the published value and both computations agree") {
  EXPECT(weft::crc32c("123456789", 9) == 0xE3069283u);
  std::vector<unsigned char> bytes(1021);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * 131 + 7);
  for (std::size_t size : {0u, 1u, 7u, 8u, 9u, 64u, 1021u}) {
    EXPECT(weft::crc32c(bytes.data(), size) == weft::crc32c_portable(bytes.data(), size));
    const auto first = weft::crc32c(bytes.data(), size / 2);
    EXPECT(weft::crc32c(bytes.data() + size / 2, size - size / 2, first) == weft::crc32c(bytes.data(), size));
  }
}

TEST("what was written is read") {
  const Folder folder;
  for (std::size_t count : {0u, 1u, 1023u, 1024u, 1025u, 100000u}) {
    const auto path = folder.file("numbers.bin");
    const auto root = write_numbers(path, count);
    MappedFile file(path, Kind::time, 4, root);
    file.need_all();
    EXPECT(file.num_items() == count);
    for (std::size_t i = 0; i < count; i += 97) EXPECT(file.as<std::uint32_t>()[i] == 7 + i);
    file.make_resident();
    for (std::size_t i = 0; i < count; i += 97) EXPECT(file.as<std::uint32_t>()[i] == 7 + i);
  }
}

TEST("every flipped byte is found, by header at opening and by block when it is needed") {
  const Folder folder;
  const auto path = folder.file("numbers.bin");
  const auto root = write_numbers(path, 5000);
  const auto size = fs::file_size(path);
  for (std::size_t at : {0u, 8u, 12u, 16u, 24u, 32u, 40u, 48u, 52u}) {
    damage(path, at);
    bool refused = false;
    try {
      MappedFile(path, Kind::time, 4, root);
    } catch (const weft::Error&) {
      refused = true;
    }
    EXPECT(refused);
    damage(path, at);
  }
  for (std::size_t at = weft::kHeaderBytes; at < weft::kHeaderBytes + 20000; at += 4099) {
    damage(path, at);
    MappedFile file(path, Kind::time, 4, root);
    EXPECT_ERROR(file.need_all(), "GRAPH004");
    EXPECT_ERROR(file.make_resident(), "GRAPH004");
    const auto block = (at - weft::kHeaderBytes) / weft::kBlockBytes;
    if (block > 0) file.need(0, 4);
    EXPECT_ERROR(file.need(block * weft::kBlockBytes, 4), "GRAPH004");
    damage(path, at);
  }
  damage(path, size - 2);
  EXPECT_ERROR(MappedFile(path, Kind::time, 4, root).need_all(), "GRAPH004");
}

TEST("nothing beyond the payload is read, mapped or resident") {
  const Folder folder;
  const auto path = folder.file("numbers.bin");
  const auto root = write_numbers(path, 5000);
  MappedFile file(path, Kind::time, 4, root);
  file.need(19996, 4);
  EXPECT_ERROR((file.need(19996, 8), 0), "GRAPH006");
  EXPECT_ERROR((file.need(std::uint64_t{1} << 40, 4), 0), "GRAPH006");
  file.make_resident();
  EXPECT_ERROR((file.need(20000, 4), 0), "GRAPH006");
}

TEST("truncated, newer, foreign and unfinished files are refused by their codes") {
  const Folder folder;
  const auto path = folder.file("numbers.bin");
  const auto root = write_numbers(path, 5000);
  EXPECT_ERROR(MappedFile(folder.file("missing.bin"), Kind::time, 4, root), "GRAPH001");
  EXPECT_ERROR(MappedFile(path, Kind::low, 4, root), "GRAPH005");
  EXPECT_ERROR(MappedFile(path, Kind::time, 8, root), "GRAPH005");
  EXPECT_ERROR(MappedFile(path, Kind::time, 4, root + 1), "GRAPH005");
  fs::resize_file(path, fs::file_size(path) - 1);
  EXPECT_ERROR(MappedFile(path, Kind::time, 4, root), "GRAPH003");
  fs::resize_file(path, 100);
  EXPECT_ERROR(MappedFile(path, Kind::time, 4, root), "GRAPH003");
  write_numbers(path, 10);
  damage(path, 8);
  EXPECT_ERROR(MappedFile(path, Kind::time, 4, root), "GRAPH002");
  {
    FileWriter writer(path, Kind::time, 4);
    const std::uint32_t one = 1;
    writer.append(&one, 4);
  }
  EXPECT(!fs::exists(path));
  std::ofstream(path) << std::string(9000, 'x');
  EXPECT_ERROR(MappedFile(path, Kind::time, 4, root), "GRAPH001");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST("without memory a copy is refused and the mapping still serves") {
  const Folder folder;
  const auto path = folder.file("numbers.bin");
  const auto root = write_numbers(path, 5000);
  MappedFile file(path, Kind::time, 4, root);
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  rlimit tight = before;
  tight.rlim_cur = 1 << 20;
  ::setrlimit(RLIMIT_AS, &tight);
  EXPECT_ERROR(file.make_resident(), "GRAPH011");
  ::setrlimit(RLIMIT_AS, &before);
  file.need_all();
  EXPECT(file.as<std::uint32_t>()[4999] == 5006);
}
#endif

int main() { return check::run_all(); }
