// Foreign keys to rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "keys.hpp"

namespace weft {

struct LinkCounts {
  std::uint64_t num_edges = 0;
  std::uint64_t num_null = 0;
  std::uint64_t num_dangling = 0;
};

// Writes the parent of each child row (u32, kNone without one) to a scratch file, batch by batch, and the
// hashes (u64) of the keys that have none to another. An index that holds a part of the parents' keys takes
// one pass per part: a pass after the first reads what the one before wrote.
//
// Cost: a prefetched look-up per row. The same bytes for any number of threads and any batches.
class LinkResolver {
 public:
  // `parents` is written; `before` is what an earlier pass wrote, or empty. `dangling` is written.
  LinkResolver(const KeyIndex& index, const std::string& parents, const std::string& before,
               const std::string& dangling);
  void add(const KeyReader& keys, unsigned threads);
  LinkCounts finish();

 private:
  struct Part {
    LinkCounts counts;
    std::vector<std::uint64_t> dangling;
  };
  void resolve(const KeyReader& keys, std::int64_t first, std::int64_t last, Part& part);

  const KeyIndex& index_;
  ScratchWriter parents_;
  ScratchWriter dangling_;
  std::unique_ptr<ScratchReader> before_;
  std::vector<std::uint32_t> rows_;
  LinkCounts counts_;
};

// Replaces parents that were numbered in their prepared order by their rows. Those below `first_new` are rows
// already; parent `first_new + i` is row inverse[i]. At most `budget` bytes of the inverse are held at once.
void translate_parents(const std::string& parents, std::uint64_t count, const std::string& inverse,
                       std::uint64_t num_new, std::uint32_t first_new, const std::string& out,
                       std::uint64_t budget);

// Sorts the hashes in a scratch file and writes each once as a `dangling` file; returns its root. Holds at
// most `budget` bytes, in several passes where that takes more.
std::uint32_t write_dangling(const std::vector<std::string>& scratch, const std::string& path,
                             std::uint64_t budget);

// Says whether a key of the spill has one of the hashes in a `dangling` file, of which the blocks on the way
// to a key are read.
bool is_any_key_dangling(const std::string& stem, const KeyShape& shape, const MappedFile& dangling);

}  // namespace weft
