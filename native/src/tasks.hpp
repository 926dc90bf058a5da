// Tasks over threads: each is run once, by whichever thread is free; an exception ends the call.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace weft {

// Calls `run(task)` for every task in [0, num_tasks), on at most `threads` threads, this one included.
// What a task computes must not depend on which thread runs it. The first exception is rethrown here
// after all threads have stopped.
template <class Run>
void for_each_task(std::size_t num_tasks, std::size_t threads, const Run& run) {
  threads = std::min(std::max<std::size_t>(threads, 1), num_tasks);
  if (threads <= 1) {
    for (std::size_t task = 0; task < num_tasks; ++task) run(task);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};
  std::exception_ptr failure;
  std::mutex failing;
  const auto work = [&] {
    try {
      for (std::size_t task; !stop.load(std::memory_order_relaxed) && (task = next.fetch_add(1)) < num_tasks;) {
        run(task);
      }
    } catch (...) {
      const std::lock_guard lock(failing);
      if (!failure) failure = std::current_exception();
      stop.store(true, std::memory_order_relaxed);
    }
  };
  std::vector<std::thread> others;
  others.reserve(threads - 1);
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace weft
