// Time-correct neighbourhoods of many seeds: the plan of a sampling, and its result as flat arrays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "buffer.hpp"
#include "expand.hpp"
#include "graph.hpp"
#include "strategy.hpp"

namespace weft {

// What to sample. Each hop walks its steps in order, from the rows of the hop before.
struct Plan {
  std::vector<std::vector<Step>> hops;
  std::vector<char> is_crossed;       // per table: its parents are reached in the hop that reaches its rows
  std::vector<char> is_gathered;      // per table: rows' values are wanted
  bool is_shared = false;             // seeds with one anchor share rows
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
};

// One kind of edges: a link in one direction.
struct EdgeKind {
  std::uint32_t link;
  bool toward_parent;
};

// Seeds of one table, with their anchors, and edges that must not be walked.
struct Seeds {
  std::uint32_t table = 0;
  std::span<const std::uint32_t> rows;
  std::span<const std::int64_t> anchors_us;
  // Parallel arrays: link, child row, and the seed that must not walk it (kAll: every seed).
  std::span<const std::uint32_t> excluded_links;
  std::span<const std::uint32_t> excluded_rows;
  std::span<const std::uint32_t> excluded_seeds;
};

struct TableSample {
  Buffer<std::uint32_t> rows;
  Buffer<std::int32_t> scopes;
  Buffer<std::int64_t> age_us;
  std::vector<std::uint64_t> per_hop;  // seeds first
  std::vector<Buffer<std::byte>> sections;
};

struct EdgeSample {
  EdgeKind kind{};
  Buffer<std::int32_t> source;
  Buffer<std::int32_t> target;
  std::vector<std::uint64_t> per_hop;
};

// Result of a sampling; arrays as core.Batch says.
struct Sample {
  Buffer<std::int32_t> seeds;
  Buffer<std::int32_t> seed_scopes;
  Buffer<std::int64_t> scope_anchors_us;
  std::vector<TableSample> tables;
  std::vector<EdgeSample> edges;
};

// Draws the neighbourhoods of the seeds on `threads` threads.
//
// The result depends on graph, plan and seeds alone. A random draw is keyed by (plan.seed, plan.epoch, the seed's
// number in the prepared table, its anchor, how many rows its scope had reached before), so neither the number of
// threads, nor the other seeds, nor the layout of the graph matters unless seeds share. O(edges) time; memory
// for the result and what a chunk of 64 seeds needs per thread.
//
// Errors: GRAPH040 for a row that is not the table's, GRAPH004 for a damaged block, GRAPH041 when more than
// 2^31-1 rows of one table would be reached.
Sample sample(const Graph& graph, const Plan& plan, const Seeds& seeds, std::size_t threads);

// Throws GRAPH041 when a batch cannot number that many rows of a table.
void check_num_rows(std::uint64_t num_rows, const std::string& table);

// Arrays for the sections of so many rows.
std::vector<Buffer<std::byte>> make_sections(const Table& table, std::size_t num_rows);
// Copies the sections of rows into such arrays, from place `first` on. Errors: GRAPH004.
void gather_into(const Table& table, const std::uint32_t* rows, std::size_t count, std::size_t first,
                 std::vector<Buffer<std::byte>>& out);
// Both, on several threads.
std::vector<Buffer<std::byte>> gather(const Table& table, std::span<const std::uint32_t> rows, std::size_t threads);

}  // namespace weft
