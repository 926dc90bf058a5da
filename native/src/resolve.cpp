#include "resolve.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "tasks.hpp"

namespace weft {
namespace {

constexpr std::uint64_t kLeastRows = 8192;

std::uint64_t hash_of(const KeyReader& keys, std::int64_t i, std::string& buffer) {
  if (keys.is_integer()) return hash_integer(keys.integer(i));
  const std::string_view key = keys.bytes(i, buffer);
  return hash_bytes(key.data(), key.size());
}

std::uint64_t num_hashes(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) / 8 : 0;
}

// Calls `use` with each hash of the files that lies in [least, most].
template <class Use>
void each_hash(const std::vector<std::string>& paths, Use use) {
  std::vector<std::uint64_t> chunk(8192);
  for (const std::string& path : paths) {
    const std::uint64_t total = num_hashes(path);
    ScratchReader reader(path, sizeof(std::uint64_t));
    for (std::uint64_t done = 0; done < total; done += chunk.size()) {
      const std::size_t count = std::min<std::uint64_t>(chunk.size(), total - done);
      reader.read(chunk.data(), count);
      for (std::size_t i = 0; i < count; ++i) use(chunk[i]);
    }
  }
}

// Calls `use` with the hash of each key of a spill.
template <class Use>
void each_key_hash(const std::string& stem, const KeyShape& shape, Use use) {
  constexpr std::size_t kKeys = 4096;
  ScratchReader keys(stem + ".keys", sizeof(std::int64_t));
  ScratchReader lengths(stem + ".lengths", sizeof(std::uint32_t));
  ScratchReader bytes(stem + ".bytes", 1);
  std::vector<std::int64_t> key(kKeys);
  std::vector<std::uint32_t> length(kKeys);
  std::string text;
  for (std::uint64_t done = 0; done < shape.num_keys; done += kKeys) {
    const std::size_t count = std::min<std::uint64_t>(kKeys, shape.num_keys - done);
    if (shape.is_integer) {
      keys.read(key.data(), count);
      for (std::size_t i = 0; i < count; ++i) use(hash_integer(key[i]));
      continue;
    }
    lengths.read(length.data(), count);
    for (std::size_t i = 0; i < count; ++i) {
      text.resize(length[i]);
      bytes.read(text.data(), text.size());
      use(hash_bytes(text.data(), text.size()));
    }
  }
}

}  // namespace

LinkResolver::LinkResolver(const KeyIndex& index, const std::string& parents, const std::string& before,
                           const std::string& dangling)
    : index_(index), parents_(parents), dangling_(dangling) {
  if (!before.empty()) before_ = std::make_unique<ScratchReader>(before, sizeof(std::uint32_t));
}

void LinkResolver::resolve(const KeyReader& keys, std::int64_t first, std::int64_t last, Part& part) {
  constexpr std::int64_t kTile = 1024;
  std::uint32_t found[kTile];
  std::string buffer;
  for (std::int64_t start = first; start < last; start += kTile) {
    const std::int64_t tile = std::min(kTile, last - start);
    index_.find(keys, start, tile, found);
    for (std::int64_t i = 0; i < tile; ++i) {
      std::uint32_t& row = rows_[start + i];
      if (found[i] != kNone) {
        row = found[i];
        ++part.counts.num_edges;
        continue;
      }
      if (before_ && row != kNone) continue;
      row = kNone;
      if (keys.is_null(start + i)) {
        part.counts.num_null += before_ ? 0 : 1;
      } else if (const std::uint64_t hash = hash_of(keys, start + i, buffer); index_.covers(hash)) {
        ++part.counts.num_dangling;
        part.dangling.push_back(hash);
      }
    }
  }
}

void LinkResolver::add(const KeyReader& keys, unsigned threads) {
  if (keys.is_integer() != index_.is_integer()) {
    throw Error(Fault::user, "GRAPH028", "a foreign key and the key it points to are of different types.",
                "prepare the tables again, which gives both sides of a link one type.");
  }
  const auto count = static_cast<std::uint64_t>(keys.length());
  rows_.resize(count);
  if (before_) before_->read(rows_.data(), count);
  std::vector<Part> parts(std::max(1u, threads));
  parallel_for(count, threads, kLeastRows, [&](unsigned thread, std::uint64_t first, std::uint64_t last) {
    resolve(keys, static_cast<std::int64_t>(first), static_cast<std::int64_t>(last), parts[thread]);
  });
  for (const Part& part : parts) {
    counts_.num_edges += part.counts.num_edges;
    counts_.num_null += part.counts.num_null;
    counts_.num_dangling += part.counts.num_dangling;
    dangling_.append(part.dangling.data(), part.dangling.size() * sizeof(std::uint64_t));
  }
  parents_.append(rows_.data(), count * sizeof(std::uint32_t));
}

LinkCounts LinkResolver::finish() {
  parents_.finish();
  dangling_.finish();
  return counts_;
}

void translate_parents(const std::string& parents, std::uint64_t count, const std::string& inverse,
                       std::uint64_t num_new, std::uint32_t first_new, const std::string& out,
                       std::uint64_t budget) {
  const std::uint64_t most = std::max<std::uint64_t>(1024, budget / sizeof(std::uint32_t));
  const std::uint64_t passes = std::max<std::uint64_t>(1, (num_new + most - 1) / most);
  std::string source = parents;
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    const std::uint64_t first = num_new * pass / passes;
    std::vector<std::uint32_t> rows(num_new * (pass + 1) / passes - first);
    ScratchReader reader(inverse, sizeof(std::uint32_t));
    reader.seek(first);
    reader.read(rows.data(), rows.size());
    const bool is_last = pass + 1 == passes;
    const std::string target = is_last ? out : out + "." + std::to_string(pass);
    // Two streams: what is still numbered by source, and what is translated already.
    U32Stream numbers(parents);
    U32Stream done(pass == 0 ? "" : source);
    ScratchWriter writer(target);
    std::vector<std::uint32_t> chunk(U32Stream::kChunk);
    for (std::uint64_t start = 0; start < count; start += chunk.size()) {
      const std::size_t size = std::min<std::uint64_t>(chunk.size(), count - start);
      const std::uint32_t* number = numbers.next(size);
      const std::uint32_t* before = done.next(size);
      for (std::size_t i = 0; i < size; ++i) {
        const std::uint64_t place = static_cast<std::uint64_t>(number[i]) - first_new - first;
        const bool is_here = number[i] != kNone && number[i] >= first_new && place < rows.size();
        chunk[i] = is_here ? rows[place] : before != nullptr ? before[i] : number[i];
      }
      writer.append(chunk.data(), size * sizeof(std::uint32_t));
    }
    writer.finish();
    if (pass > 0) ::remove(source.c_str());
    source = target;
  }
}

std::uint32_t write_dangling(const std::vector<std::string>& scratch, const std::string& path,
                             std::uint64_t budget) {
  std::uint64_t total = 0;
  for (const std::string& one : scratch) total += num_hashes(one);
  const std::uint64_t most = std::max<std::uint64_t>(1024, budget / sizeof(std::uint64_t) / 2);
  const std::uint64_t passes = std::max<std::uint64_t>(1, (total + most - 1) / most);
  // Hashes are spread evenly, so that parts of their range hold about as many each.
  const std::uint64_t width = passes == 1 ? UINT64_MAX : UINT64_MAX / passes + 1;
  FileWriter writer(path, Kind::dangling, sizeof(std::uint64_t));
  std::vector<std::uint64_t> held;
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    held.clear();
    each_hash(scratch, [&](std::uint64_t hash) {
      if (passes == 1 || hash / width == pass) held.push_back(hash);
    });
    std::sort(held.begin(), held.end());
    held.erase(std::unique(held.begin(), held.end()), held.end());
    writer.append(held.data(), held.size() * sizeof(std::uint64_t));
  }
  return writer.finish();
}

bool is_any_key_dangling(const std::string& stem, const KeyShape& shape, const MappedFile& dangling) {
  const auto at = [&](std::uint64_t i) {
    dangling.need(i * sizeof(std::uint64_t), sizeof(std::uint64_t));
    return dangling.as<std::uint64_t>()[i];
  };
  bool is_found = false;
  each_key_hash(stem, shape, [&](std::uint64_t hash) {
    std::uint64_t first = 0;
    for (std::uint64_t end = dangling.num_items(); !is_found && first < end;) {
      const std::uint64_t middle = first + (end - first) / 2;
      const std::uint64_t found = at(middle);
      is_found = found == hash;
      if (found < hash) {
        first = middle + 1;
      } else {
        end = middle;
      }
    }
  });
  return is_found;
}

}  // namespace weft
