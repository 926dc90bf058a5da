// The files of a table's primary key.
#pragma once

#include <cstdint>
#include <string>

#include "keys.hpp"

namespace weft {

// Keys of a spill with the final row of each, from which every file is written in passes that hold at most
// `budget` bytes. The same bytes for any budget.
struct KeySource {
  std::string stem;
  std::string rows;  // u32 scratch: the row of each key of the spill
  KeyShape shape;
  std::uint64_t budget = 0;
  std::string what;  // the table, for messages
  std::uint32_t first_row = 0;  // the row that files call 0
};

// Each writes one file and returns its root.
//
// Errors: GRAPH021 (user) when two rows have the same key.
std::uint32_t write_key_direct(const KeySource& source, const std::string& path);
std::uint32_t write_key_slots(const KeySource& source, StoredKeys kind, const std::string& path);
std::uint32_t write_key_values(const KeySource& source, StoredKeys kind, const std::string& path);
// Writes the bytes of each row's key and where they start.
struct KeyBytesRoots {
  std::uint32_t offsets;
  std::uint32_t bytes;
};
KeyBytesRoots write_key_bytes(const KeySource& source, const std::string& offsets, const std::string& bytes);

}  // namespace weft
