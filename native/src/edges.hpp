// The files of a table's order and of its links' edges.
#pragma once

#include <cstdint>
#include <string>

#include "groups.hpp"

namespace weft {

// Paths of files and the roots of those that were written; an empty path is a file that is not.
struct Written {
  std::string path;
  std::uint32_t root = 0;
};

struct OrderFiles {
  Written source, time, low, parent, offsets;
};

// Orders the rows of a table by (parent, time, number): writes the number of each row, its time, its parent,
// and where the rows of each parent start. `group_rows` is a `sparse_parent` file that maps groups to parents'
// rows, or empty where a group is the row.
void write_order(const GroupTask& task, const std::string& group_rows, OrderFiles& files);

// Writes `inverse` (u32 scratch): the row of each number, `first_row` + the position of `number` in a `source` file.
void write_inverse(const std::string& source, std::uint64_t count, std::uint32_t first_number,
                   std::uint32_t first_row, const std::string& inverse, std::uint64_t budget);

struct EdgeFiles {
  Written offsets, children;
};

// Writes the children of each parent by (time, number). The task's values are the children's rows; without
// codes, rows alone are written.
void write_children(const GroupTask& task, EdgeFiles& files);

// Writes parents in order of rows. `inverse` holds the row of each number, from `first_row` on; empty: in
// order already. At most `budget` bytes are held.
std::uint32_t write_parents(const std::string& parents, std::uint64_t count, const std::string& inverse,
                            std::uint32_t first_row, const std::string& path, std::uint64_t budget);

// Writes what a file holds per row (u32) in order of numbers, as scratch. `source` holds the number of each
// row, from `first_number` on; empty: in order already.
void restore_order(const std::string& values, const std::string& source, std::uint64_t count,
                   std::uint32_t first_number, const std::string& out, std::uint64_t budget);

// Writes first, first + 1, … as scratch.
void write_identity(std::uint32_t first, std::uint64_t count, const std::string& out);

// Writes a scratch file of u32 as a file of a graph; returns its root.
std::uint32_t write_u32(const std::string& scratch, std::uint64_t count, std::uint32_t kind, const std::string& path);

// Writes the parents that occur, ascending, as `sparse_parent`, and replaces each parent by its
// position among them in `groups`. Returns how many there are. Holds 4 bytes per item.
std::uint32_t write_sparse(const std::string& parents, std::uint64_t count, const std::string& groups,
                           Written& sparse);

}  // namespace weft
