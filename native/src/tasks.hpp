// Tasks over threads: each is run once, by whichever thread is free; an exception ends the call.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>

namespace weft {

// Runs `work` on this thread and on up to `others` threads of a crew that is kept between calls, and returns
// when all that began it have left it. `work` must end by itself once there is nothing to do; it must not throw.
// Any number of threads may call this at once, those of the crew too. Where the system gives no more threads,
// those that there are do the work. After a fork the child has a crew of its own.
void run_together(std::size_t others, const std::function<void()>& work);

// Remembers the exception of the first task that threw one, by number, whichever was there first.
class Failure {
 public:
  void keep(std::size_t task) noexcept;  // to be called in a handler
  // The first task that threw so far; beyond every task while none did.
  std::size_t task() const noexcept { return task_.load(std::memory_order_relaxed); }
  void rethrow() const;

 private:
  std::atomic<std::size_t> task_{std::numeric_limits<std::size_t>::max()};
  std::mutex guard_;
  std::exception_ptr first_;
};

// Calls `run(task)` for every task in [0, num_tasks), on at most `threads` threads, this one included.
// What a task computes must not depend on which thread runs it. Each thread begins with a share of its own, the
// same one for the same numbers, then helps the others: what a thread wrote in one call it mostly finds in its
// cache in the next. No task begins after one of a lower number threw; what the first of those that threw did is
// rethrown here after all threads have stopped, so that the error is the same for any number of threads.
template <class Run>
void for_each_task(std::size_t num_tasks, std::size_t threads, const Run& run) {
  if (threads > num_tasks) threads = num_tasks;
  if (threads <= 1) {
    for (std::size_t task = 0; task < num_tasks; ++task) run(task);
    return;
  }
  const auto is_taken = std::make_unique<std::atomic<bool>[]>(num_tasks);
  std::atomic<std::size_t> num_here{0};
  Failure failure;
  run_together(threads - 1, [&] {
    const std::size_t begin = num_tasks * num_here.fetch_add(1) / threads;
    for (std::size_t i = 0; i < num_tasks; ++i) {
      const std::size_t task = begin + i < num_tasks ? begin + i : begin + i - num_tasks;
      if (task > failure.task() || is_taken[task].load(std::memory_order_relaxed)) continue;
      if (is_taken[task].exchange(true)) continue;
      try {
        run(task);
      } catch (...) {
        failure.keep(task);
      }
    }
  });
  failure.rethrow();
}

// Calls `work(part, first, last)` for successive parts of [0, size), at most one per thread and of at least
// `least` items each. The split must not show in the result. Otherwise as for_each_task.
template <class Work>
void parallel_for(std::uint64_t size, unsigned threads, std::uint64_t least, const Work& work) {
  const std::uint64_t most = std::max<std::uint64_t>(1, size / std::max<std::uint64_t>(1, least));
  const std::uint64_t parts = std::min<std::uint64_t>(std::max(1u, threads), most);
  for_each_task(parts, parts, [&](std::size_t part) {
    work(static_cast<unsigned>(part), size * part / parts, size * (part + 1) / parts);
  });
}

}  // namespace weft
