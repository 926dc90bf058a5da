// Work over ranges of an index, split among threads; the split never shows in the result.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace weft {

// Calls `work(thread, first, last)` for successive parts of [0, size), one thread each; a part has at least
// `least` items. Blocks until all are done and throws what the first of them threw.
template <class Work>
void parallel_for(std::uint64_t size, unsigned threads, std::uint64_t least, Work work) {
  const std::uint64_t most = std::max<std::uint64_t>(1, size / std::max<std::uint64_t>(1, least));
  const auto parts = static_cast<unsigned>(std::min<std::uint64_t>(std::max(1u, threads), most));
  if (parts == 1) {
    work(0u, std::uint64_t{0}, size);
    return;
  }
  std::vector<std::exception_ptr> thrown(parts);
  std::vector<std::thread> running;
  const auto run = [&](unsigned part) noexcept {
    try {
      work(part, size * part / parts, size * (part + 1) / parts);
    } catch (...) {
      thrown[part] = std::current_exception();
    }
  };
  running.reserve(parts - 1);
  for (unsigned part = 1; part < parts; ++part) running.emplace_back(run, part);
  run(0);
  for (std::thread& thread : running) thread.join();
  for (const std::exception_ptr& error : thrown) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace weft
