// Tasks over threads: each is run once, by whichever thread is free; an exception ends the call.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>

namespace weft {

// Runs `work` on this thread and on up to `others` threads of a crew that is kept between calls, and returns
// when all that began it have left it. `work` must end by itself once there is nothing to do; it must not throw.
// Any number of threads may call this at once. After a fork the child has a crew of its own.
void run_together(std::size_t others, const std::function<void()>& work);

// Remembers the first exception of several threads.
class Failure {
 public:
  void keep() noexcept;  // to be called in a handler
  bool happened() const noexcept { return happened_.load(std::memory_order_relaxed); }
  void rethrow() const;

 private:
  std::atomic<bool> happened_{false};
  std::exception_ptr first_;
  std::atomic_flag taken_ = ATOMIC_FLAG_INIT;
};

// Calls `run(task)` for every task in [0, num_tasks), on at most `threads` threads, this one included.
// What a task computes must not depend on which thread runs it. The first exception is rethrown here
// after all threads have stopped.
template <class Run>
void for_each_task(std::size_t num_tasks, std::size_t threads, const Run& run) {
  if (threads > num_tasks) threads = num_tasks;
  if (threads <= 1) {
    for (std::size_t task = 0; task < num_tasks; ++task) run(task);
    return;
  }
  std::atomic<std::size_t> next{0};
  Failure failure;
  run_together(threads - 1, [&] {
    try {
      for (std::size_t task; !failure.happened() && (task = next.fetch_add(1)) < num_tasks;) run(task);
    } catch (...) {
      failure.keep();
    }
  });
  failure.rethrow();
}

}  // namespace weft
