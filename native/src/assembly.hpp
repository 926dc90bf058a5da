// Chunks laid out as one result: rows and edges by hop, within a hop by chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "growth.hpp"

namespace weft {

// Says how large the arrays of a sample are and where each row of each chunk goes; chunks are then copied, in any
// order and side by side.
class Assembly {
 public:
  Assembly(const Graph& graph, const std::vector<EdgeKind>& kinds, const std::vector<ChunkResult>& chunks,
           const Division& division, std::size_t num_hops);

  // Errors: GRAPH041 when there are more rows of a table than a batch can number.
  void lay_rows(Sample& out);
  void lay_edges(Sample& out);
  // Copies rows and edges of a chunk, after both of the above.
  void copy(std::size_t chunk, Sample& out) const;
  // Copies the values of a chunk's rows of one table into its sections.
  void gather_values(std::size_t chunk, std::size_t table, TableSample& out) const;
  // Sets what is known per seed and per scope, and hides the values of seeds that are later than their anchors.
  void lay_seeds(std::uint32_t table, const std::vector<std::uint32_t>& position_in_chunk, Sample& out) const;

 private:
  std::int64_t& shift(std::size_t chunk, std::size_t table, std::size_t hop);
  std::int64_t shift(std::size_t chunk, std::size_t table, std::size_t hop) const;
  std::int32_t position(std::size_t chunk, std::size_t table, std::uint32_t at) const;
  void copy_rows(std::size_t chunk, Sample& out) const;
  void copy_edges(std::size_t chunk, std::size_t kind, const std::uint64_t* starts, EdgeSample& out) const;
  void move(std::size_t chunk, std::size_t table, const std::uint32_t* at, std::uint32_t count,
            std::int32_t* out) const;

  const Graph& graph_;
  const std::vector<EdgeKind>& kinds_;
  const std::vector<ChunkResult>& chunks_;
  const Division& division_;
  std::size_t num_ends_;
  std::vector<std::int64_t> shifts_;   // per chunk, table and hop: what a position moves by
  std::vector<std::uint64_t> starts_;  // per chunk, kind of edges and hop: where they go
};

// A seed that is later than its own anchor is there, but nothing of it is told: its values become null.
void hide_values(const Table& table, const std::vector<char>& is_hidden, const Buffer<std::int32_t>& positions,
                 TableSample& out);

}  // namespace weft
