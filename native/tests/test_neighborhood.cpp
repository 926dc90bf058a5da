#include "neighborhood.hpp"

#include <stdexcept>

#include "check.hpp"

namespace {

bool is_refused(std::size_t num_tables, std::size_t num_scopes) {
  weft::Neighborhood neighborhood;
  weft::ChunkResult result;
  result.tables.resize(num_tables);
  try {
    neighborhood.start(result, num_scopes);
  } catch (const std::length_error&) {
    return true;
  }
  return false;
}

}  // namespace

TEST("no two rows share a key at the ends of what is admitted") {
  weft::Neighborhood neighborhood;
  weft::ChunkResult result;
  constexpr std::uint32_t kTables = 1u << 18;
  constexpr std::uint32_t kScopes = 1u << 14;
  result.tables.resize(kTables);
  neighborhood.start(result, kScopes);
  const std::uint32_t last = 0xFFFFFFFEu;
  for (const std::uint32_t table : {0u, 1u, kTables - 1}) {
    for (const std::uint32_t scope : {0u, 1u, kScopes - 1}) {
      for (const std::uint32_t row : {0u, 1u, last}) neighborhood.insert(table, scope, row, 0);
    }
    EXPECT(neighborhood.rows(table).row.size() == 9);
    for (const std::uint32_t row : {0u, 1u, last}) neighborhood.insert(table, kScopes - 1, row, 0);
    EXPECT(neighborhood.rows(table).row.size() == 9);
  }
}

TEST("more tables or scopes than keys tell apart are refused") {
  EXPECT(!is_refused(1, 64));
  EXPECT(is_refused((1u << 18) + 1, 1));
  EXPECT(is_refused(1, (1u << 14) + 1));
}

int main() { return check::run_all(); }
