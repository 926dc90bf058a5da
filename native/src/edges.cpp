#include "edges.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "format.hpp"
#include "scratch.hpp"

namespace weft {
namespace {

constexpr std::size_t kU32 = sizeof(std::uint32_t);
constexpr std::size_t kChunk = U32Stream::kChunk;

// A file that may be left out.
class Output {
 public:
  Output(Written& target, Kind kind, std::uint64_t item_bytes = kU32) : target_(target) {
    if (!target.path.empty()) writer_ = std::make_unique<FileWriter>(target.path, kind, item_bytes);
  }
  void append(const void* data, std::size_t size) {
    if (writer_) writer_->append(data, size);
  }
  void finish() {
    if (writer_) target_.root = writer_->finish();
  }

 private:
  Written& target_;
  std::unique_ptr<FileWriter> writer_;
};

class OrderSink final : public GroupSink {
 public:
  OrderSink(OrderFiles& files, const std::string& group_rows, std::uint32_t num_groups)
      : source_(files.source, Kind::source),
        time_(files.time, Kind::time),
        low_(files.low, Kind::low),
        parent_(files.parent, Kind::parent),
        offsets_(files.offsets, Kind::offsets),
        rows_(group_rows, kHeaderBytes),
        is_mapped_(!group_rows.empty()),
        num_groups_(num_groups) {
    const std::uint32_t zero = 0;
    offsets_.append(&zero, kU32);
  }
  void ends(const std::uint32_t* ends, std::uint64_t count) override { offsets_.append(ends, count * kU32); }
  void items(const std::uint32_t* values, const std::uint32_t* codes, const std::uint32_t* lows,
             const std::uint32_t* groups, std::uint64_t count) override {
    source_.append(values, count * kU32);
    time_.append(codes, count * kU32);
    if (lows != nullptr) low_.append(lows, count * kU32);
    parents_.resize(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      parents_[i] = groups[i] == num_groups_ ? kNone : is_mapped_ ? row_of(groups[i]) : groups[i];
    }
    parent_.append(parents_.data(), count * kU32);
  }
  void finish() {
    for (Output* output : {&source_, &time_, &low_, &parent_, &offsets_}) output->finish();
  }

 private:
  // Groups come in order, so that their rows are read in order.
  std::uint32_t row_of(std::uint32_t group) {
    while (first_ + held_ <= group) {
      first_ += held_;
      held_ = static_cast<std::uint32_t>(std::min<std::size_t>(kChunk, num_groups_ - first_));
      chunk_ = rows_.next(held_);
    }
    return chunk_[group - first_];
  }
  Output source_, time_, low_, parent_, offsets_;
  U32Stream rows_;
  bool is_mapped_;
  std::uint32_t num_groups_;
  std::uint32_t first_ = 0;
  std::uint32_t held_ = 0;
  const std::uint32_t* chunk_ = nullptr;
  std::vector<std::uint32_t> parents_;
};

class ChildrenSink final : public GroupSink {
 public:
  ChildrenSink(EdgeFiles& files, bool has_times)
      : offsets_(files.offsets, Kind::offsets),
        children_(files.children, has_times ? Kind::children : Kind::children_row, has_times ? 8 : 4),
        has_times_(has_times) {
    const std::uint32_t zero = 0;
    offsets_.append(&zero, kU32);
  }
  void ends(const std::uint32_t* ends, std::uint64_t count) override { offsets_.append(ends, count * kU32); }
  void items(const std::uint32_t* values, const std::uint32_t* codes, const std::uint32_t*, const std::uint32_t*,
             std::uint64_t count) override {
    if (!has_times_) {
      children_.append(values, count * kU32);
      return;
    }
    pairs_.resize(2 * count);
    for (std::uint64_t i = 0; i < count; ++i) {
      pairs_[2 * i] = values[i];
      pairs_[2 * i + 1] = codes[i];
    }
    children_.append(pairs_.data(), pairs_.size() * kU32);
  }
  void finish() {
    offsets_.finish();
    children_.finish();
  }

 private:
  Output offsets_, children_;
  bool has_times_;
  std::vector<std::uint32_t> pairs_;
};

// Calls `use(first, size)` for successive ranges of `count` items of which memory holds one.
template <class Use>
void each_range(std::uint64_t count, std::uint64_t budget, Use use) {
  const std::uint64_t most = std::max<std::uint64_t>(1024, budget / kU32);
  for (std::uint64_t first = 0; first < count; first += most) use(first, std::min(most, count - first));
}

}  // namespace

void write_order(const GroupTask& task, const std::string& group_rows, OrderFiles& files) {
  OrderSink sink(files, group_rows, task.num_groups);
  sort_groups(task, sink);
  sink.finish();
}

void write_children(const GroupTask& task, EdgeFiles& files) {
  ChildrenSink sink(files, !task.codes.empty());
  sort_groups(task, sink);
  sink.finish();
}

void write_inverse(const std::string& source, std::uint64_t count, std::uint32_t first_number,
                   std::uint32_t first_row, const std::string& inverse, std::uint64_t budget) {
  ScratchWriter writer(inverse);
  std::vector<std::uint32_t> rows;
  each_range(count, budget, [&](std::uint64_t first, std::uint64_t size) {
    rows.resize(size);
    U32Stream numbers(source, kHeaderBytes);
    for (std::uint64_t done = 0; done < count; done += kChunk) {
      const std::size_t part = std::min<std::uint64_t>(kChunk, count - done);
      const std::uint32_t* number = numbers.next(part);
      for (std::size_t i = 0; i < part; ++i) {
        const std::uint64_t place = std::uint64_t{number[i]} - first_number - first;
        if (place < size) rows[place] = static_cast<std::uint32_t>(first_row + done + i);
      }
    }
    writer.append(rows.data(), size * kU32);
  });
  writer.finish();
}

std::uint32_t write_u32(const std::string& scratch, std::uint64_t count, std::uint32_t kind,
                        const std::string& path) {
  FileWriter writer(path, static_cast<Kind>(kind), kU32);
  U32Stream stream(scratch);
  for (std::uint64_t done = 0; done < count; done += kChunk) {
    const std::size_t part = std::min<std::uint64_t>(kChunk, count - done);
    writer.append(stream.next(part), part * kU32);
  }
  return writer.finish();
}

std::uint32_t write_parents(const std::string& parents, std::uint64_t count, const std::string& inverse,
                            std::uint32_t first_row, const std::string& path, std::uint64_t budget) {
  if (inverse.empty()) return write_u32(parents, count, static_cast<std::uint32_t>(Kind::parent), path);
  FileWriter writer(path, Kind::parent, kU32);
  std::vector<std::uint32_t> by_row;
  each_range(count, budget, [&](std::uint64_t first, std::uint64_t size) {
    by_row.resize(size);
    U32Stream rows(inverse), values(parents);
    for (std::uint64_t done = 0; done < count; done += kChunk) {
      const std::size_t part = std::min<std::uint64_t>(kChunk, count - done);
      const std::uint32_t* row = rows.next(part);
      const std::uint32_t* parent = values.next(part);
      for (std::size_t i = 0; i < part; ++i) {
        const std::uint64_t place = std::uint64_t{row[i]} - first_row - first;
        if (place < size) by_row[place] = parent[i];
      }
    }
    writer.append(by_row.data(), size * kU32);
  });
  return writer.finish();
}

void restore_order(const std::string& values, const std::string& source, std::uint64_t count,
                   std::uint32_t first_number, const std::string& out, std::uint64_t budget) {
  ScratchWriter writer(out);
  std::vector<std::uint32_t> by_number;
  each_range(count, budget, [&](std::uint64_t first, std::uint64_t size) {
    by_number.resize(size);
    U32Stream numbers(source, kHeaderBytes), stream(values, kHeaderBytes);
    for (std::uint64_t done = 0; done < count; done += kChunk) {
      const std::size_t part = std::min<std::uint64_t>(kChunk, count - done);
      const std::uint32_t* number = numbers.next(part);
      const std::uint32_t* value = stream.next(part);
      for (std::size_t i = 0; i < part; ++i) {
        const std::uint64_t place = (number ? std::uint64_t{number[i]} - first_number : done + i) - first;
        if (place < size) by_number[place] = value[i];
      }
    }
    writer.append(by_number.data(), size * kU32);
  });
  writer.finish();
}

void write_identity(std::uint32_t first, std::uint64_t count, const std::string& out) {
  ScratchWriter writer(out);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint32_t>(first + i);
    writer.append(&number, kU32);
  }
  writer.finish();
}

std::uint32_t write_sparse(const std::string& parents, std::uint64_t count, const std::string& groups,
                           Written& sparse) {
  std::vector<std::uint32_t> held(count);
  ScratchReader(parents, kU32).read(held.data(), count);
  std::vector<std::uint32_t> distinct;
  std::copy_if(held.begin(), held.end(), std::back_inserter(distinct), [](std::uint32_t row) { return row != kNone; });
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (std::uint32_t& row : held) {
    if (row == kNone) continue;
    row = static_cast<std::uint32_t>(std::lower_bound(distinct.begin(), distinct.end(), row) - distinct.begin());
  }
  ScratchWriter writer(groups);
  writer.append(held.data(), count * kU32);
  writer.finish();
  FileWriter file(sparse.path, Kind::sparse_parent, kU32);
  file.append(distinct.data(), distinct.size() * kU32);
  sparse.root = file.finish();
  return static_cast<std::uint32_t>(distinct.size());
}

}  // namespace weft
