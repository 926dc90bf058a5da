// The rows and edges that one chunk of seeds has gathered so far, each row once per scope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "buffer.hpp"
#include "expand.hpp"

namespace weft {

// Rows of one table in the order they were first reached.
struct ChunkRows {
  Growing<std::uint32_t> row;
  Growing<std::uint32_t> scope;    // within the chunk
  Growing<std::uint32_t> slot;     // how many rows of any table its scope had reached before it
  Growing<std::int64_t> age_us;    // kNoTime: none
  std::vector<std::uint32_t> end;  // per hop: rows reached up to and with it
};

// Edges of one link in one direction, as positions in ChunkRows.
struct ChunkEdges {
  Growing<std::uint32_t> source;
  Growing<std::uint32_t> target;
  std::vector<std::uint32_t> end;  // per hop
};

// What a chunk came to.
struct ChunkResult {
  std::vector<ChunkRows> tables;
  std::vector<ChunkEdges> kinds;

  // Gives the memory of the arrays back, but not that of `end`.
  void give_back() noexcept {
    for (ChunkRows& rows : tables) {
      rows.row = {};
      rows.scope = {};
      rows.slot = {};
      rows.age_us = {};
    }
    for (ChunkEdges& edges : kinds) {
      edges.source = {};
      edges.target = {};
    }
  }
};

// Fills the result of one chunk after another; what it needs to find rows again is reused.
class Neighborhood {
 public:
  // Starts on a chunk of `num_scopes` scopes; `result` is sized and empty. Throws std::length_error beyond 2^14
  // scopes, of which division makes 64 at most, or 2^18 tables.
  void start(ChunkResult& result, std::size_t num_scopes);

  // Adds a row to a scope unless it is there; returns its position among the rows of its table.
  std::uint32_t insert(std::uint32_t table, std::uint32_t scope, std::uint32_t row, std::int64_t age_us);
  // Adds what a step reached for asks that stand for rows [first_target, first_target + asks.size()) of
  // `target_table`, and the edges to them. O(rows reached).
  void add(std::uint32_t table, std::uint32_t edge_kind, std::uint32_t first_target, std::span<const Ask> asks,
           std::span<const std::int64_t> anchors_us, const Reached& reached);
  // Ends a hop: what was added since the last one belongs to it.
  void end_hop();

  const ChunkRows& rows(std::size_t table) const noexcept { return result_->tables[table]; }

 private:
  // Open addressing with linear probing; an entry of an earlier chunk counts as empty.
  struct Entry {
    std::uint64_t key;
    std::uint32_t position;
    std::uint32_t chunk;
  };
  static std::uint64_t key_of(std::uint32_t table, std::uint32_t scope, std::uint32_t row) noexcept;
  std::size_t home(std::uint64_t key) const noexcept;
  void reserve(std::size_t more);

  ChunkResult* result_ = nullptr;
  std::vector<std::uint32_t> slots_;  // rows per scope
  std::vector<Entry> entries_;  // the first `capacity_` serve the present chunk
  std::vector<Entry*> homes_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::uint32_t chunk_ = 0;
  unsigned shift_ = 64;
};

}  // namespace weft
