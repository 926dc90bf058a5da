#include "assembly.hpp"

#include <algorithm>
#include <cstring>

namespace weft {

Assembly::Assembly(const Graph& graph, const std::vector<EdgeKind>& kinds, const std::vector<ChunkResult>& chunks,
                   const Division& division, std::size_t num_hops)
    : graph_(graph), kinds_(kinds), chunks_(chunks), division_(division), num_ends_(num_hops + 1) {
  shifts_.resize(chunks.size() * graph.tables.size() * num_ends_);
}

void Assembly::lay_rows(Sample& out) {
  out.tables.resize(graph_.tables.size());
  for (std::size_t t = 0; t < graph_.tables.size(); ++t) {
    std::uint64_t total = 0;
    for (std::size_t hop = 0; hop < num_ends_; ++hop) {
      const std::uint64_t before = total;
      for (std::size_t c = 0; c < chunks_.size(); ++c) {
        const auto& end = chunks_[c].tables[t].end;
        const std::uint32_t first = hop == 0 ? 0 : end[hop - 1];
        shift(c, t, hop) = static_cast<std::int64_t>(total) - first;
        total += end[hop] - first;
      }
      out.tables[t].per_hop.push_back(total - before);
    }
    check_num_rows(total, graph_.tables[t].name);
    out.tables[t].rows = Buffer<std::uint32_t>(total);
    out.tables[t].scopes = Buffer<std::int32_t>(total);
    out.tables[t].age_us = Buffer<std::int64_t>(total);
  }
}

void Assembly::lay_edges(Sample& out) {
  out.edges.resize(kinds_.size());
  starts_.resize(chunks_.size() * kinds_.size() * num_ends_);
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    std::uint64_t total = 0;
    out.edges[k].kind = kinds_[k];
    for (std::size_t hop = 1; hop < num_ends_; ++hop) {
      const std::uint64_t before = total;
      for (std::size_t c = 0; c < chunks_.size(); ++c) {
        const auto& end = chunks_[c].kinds[k].end;
        starts_[(c * kinds_.size() + k) * num_ends_ + hop] = total;
        total += end[hop] - end[hop - 1];
      }
      out.edges[k].per_hop.push_back(total - before);
    }
    out.edges[k].source = Buffer<std::int32_t>(total);
    out.edges[k].target = Buffer<std::int32_t>(total);
  }
}

void Assembly::copy(std::size_t chunk, Sample& out) const {
  copy_rows(chunk, out);
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    copy_edges(chunk, k, starts_.data() + (chunk * kinds_.size() + k) * num_ends_, out.edges[k]);
  }
}

void Assembly::gather_values(std::size_t chunk, std::size_t table, TableSample& out) const {
  const ChunkRows& rows = chunks_[chunk].tables[table];
  for (std::size_t hop = 0; hop < num_ends_; ++hop) {
    const std::uint32_t first = hop == 0 ? 0 : rows.end[hop - 1];
    const auto to = static_cast<std::size_t>(shift(chunk, table, hop) + first);
    gather_into(graph_.tables[table], rows.row.data() + first, rows.end[hop] - first, to, out.sections);
  }
}

std::int32_t Assembly::position(std::size_t chunk, std::size_t table, std::uint32_t at) const {
  const auto& end = chunks_[chunk].tables[table].end;
  std::size_t hop = 0;
  while (at >= end[hop]) ++hop;
  return static_cast<std::int32_t>(shift(chunk, table, hop) + at);
}

std::int64_t& Assembly::shift(std::size_t chunk, std::size_t table, std::size_t hop) {
  return shifts_[(chunk * graph_.tables.size() + table) * num_ends_ + hop];
}
std::int64_t Assembly::shift(std::size_t chunk, std::size_t table, std::size_t hop) const {
  return shifts_[(chunk * graph_.tables.size() + table) * num_ends_ + hop];
}

void Assembly::copy_rows(std::size_t c, Sample& out) const {
  const auto first_scope = static_cast<std::int32_t>(division_.first_scope[c]);
  for (std::size_t t = 0; t < graph_.tables.size(); ++t) {
    const ChunkRows& rows = chunks_[c].tables[t];
    TableSample& table = out.tables[t];
    for (std::size_t hop = 0; hop < num_ends_; ++hop) {
      const std::uint32_t first = hop == 0 ? 0 : rows.end[hop - 1];
      const std::uint32_t count = rows.end[hop] - first;
      if (count == 0) continue;
      const auto to = static_cast<std::size_t>(shift(c, t, hop) + first);
      std::memcpy(table.rows.data() + to, rows.row.data() + first, count * sizeof(std::uint32_t));
      std::memcpy(table.age_us.data() + to, rows.age_us.data() + first, count * sizeof(std::int64_t));
      for (std::uint32_t i = 0; i < count; ++i) {
        table.scopes[to + i] = static_cast<std::int32_t>(rows.scope[first + i]) + first_scope;
      }
    }
  }
}

void Assembly::copy_edges(std::size_t c, std::size_t k, const std::uint64_t* starts, EdgeSample& out) const {
  const Link& link = graph_.links[kinds_[k].link];
  const ChunkEdges& edges = chunks_[c].kinds[k];
  const std::uint32_t from = kinds_[k].toward_parent ? link.parent : link.child;
  const std::uint32_t to = kinds_[k].toward_parent ? link.child : link.parent;
  for (std::size_t hop = 1; hop < num_ends_; ++hop) {
    const std::uint32_t first = edges.end[hop - 1];
    const std::uint32_t count = edges.end[hop] - first;
    move(c, from, edges.source.data() + first, count, out.source.data() + starts[hop]);
    move(c, to, edges.target.data() + first, count, out.target.data() + starts[hop]);
  }
}

void Assembly::move(std::size_t c, std::size_t table, const std::uint32_t* at, std::uint32_t count, std::int32_t* out) const {
  const std::uint32_t* end = chunks_[c].tables[table].end.data();
  const std::int64_t* shifts = &shifts_[(c * graph_.tables.size() + table) * num_ends_];
  for (std::uint32_t i = 0; i < count; ++i) {
    std::size_t hop = 0;
    while (at[i] >= end[hop]) ++hop;
    out[i] = static_cast<std::int32_t>(shifts[hop] + at[i]);
  }
}

void Assembly::lay_seeds(std::uint32_t table, const std::vector<std::uint32_t>& position_in_chunk, Sample& out) const {
  const std::size_t num_seeds = division_.scope_of_seed.size();
  out.seeds = Buffer<std::int32_t>(num_seeds);
  out.seed_scopes = Buffer<std::int32_t>(num_seeds);
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    for (const std::uint32_t seed : division_.seeds_of_chunk[c]) {
      out.seeds[seed] = position(c, table, position_in_chunk[seed]);
      out.seed_scopes[seed] = static_cast<std::int32_t>(division_.scope_of_seed[seed]);
    }
  }
  out.scope_anchors_us = Buffer<std::int64_t>(division_.anchors_us.size());
  std::copy(division_.anchors_us.begin(), division_.anchors_us.end(), out.scope_anchors_us.data());
}

void hide_values(const Table& table, const std::vector<char>& is_hidden, const Buffer<std::int32_t>& positions,
                 TableSample& out) {
  for (std::size_t i = 0; i < is_hidden.size(); ++i) {
    if (!is_hidden[i]) continue;
    for (std::size_t s = 0; s < out.sections.size(); ++s) {
      const Section& section = table.sections[s];
      std::memcpy(out.sections[s].data() + static_cast<std::size_t>(positions[i]) * section.bytes,
                  table.null_row.data() + section.offset, section.bytes);
    }
  }
}

}  // namespace weft
