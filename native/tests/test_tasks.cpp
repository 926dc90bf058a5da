#include "tasks.hpp"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "check.hpp"

using weft::for_each_task;
using weft::parallel_for;

namespace {

// The sum of [0, size), added up in parts.
std::uint64_t sum(std::uint64_t size, unsigned threads, std::uint64_t least) {
  std::vector<std::uint64_t> sums(std::max(1u, threads));
  parallel_for(size, threads, least, [&](unsigned part, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i < last; ++i) sums[part] += i;
  });
  std::uint64_t total = 0;
  for (const std::uint64_t one : sums) total += one;
  return total;
}

std::string thrown(std::size_t threads) {
  try {
    for_each_task(100, threads, [](std::size_t task) {
      if (task == 7) std::this_thread::yield();
      if (task >= 7) throw std::runtime_error(std::to_string(task));
    });
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing";
}

// Whether two tasks are run at one time.
bool do_two_meet() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::atomic<int> come{0};
  std::atomic<int> met{0};
  for_each_task(2, 2, [&](std::size_t) {
    ++come;
    while (come < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    if (come == 2) ++met;
  });
  return met == 2;
}

}  // namespace

TEST("every task is run once, on any number of threads") {
  for (const std::size_t threads : {1, 2, 7, 300}) {
    for (const std::size_t num_tasks : {0, 1, 5, 1000}) {
      const std::unique_ptr<std::atomic<int>[]> times(new std::atomic<int>[num_tasks + 1]());
      for_each_task(num_tasks, threads, [&](std::size_t task) { ++times[task]; });
      EXPECT(std::all_of(times.get(), times.get() + num_tasks, [](const auto& one) { return one == 1; }));
    }
  }
}

TEST("parts follow each other, are not too small, and are not more than threads") {
  for (const std::uint64_t size : {0, 1, 10, 99, 1000}) {
    for (const unsigned threads : {0u, 1u, 3u, 16u}) {
      std::vector<std::pair<std::uint64_t, std::uint64_t>> parts(std::max(1u, threads));
      std::atomic<unsigned> count{0};
      parallel_for(size, threads, 10, [&](unsigned part, std::uint64_t first, std::uint64_t last) {
        parts.at(part) = {first, last};
        ++count;
      });
      std::uint64_t end = 0;
      for (unsigned i = 0; i < count; ++i) {
        EXPECT(parts[i].first == end);
        end = parts[i].second;
        EXPECT(count == 1 || end - parts[i].first >= 10);
      }
      EXPECT(end == size);
    }
  }
}

TEST("the exception of the first task that throws reaches the caller, and the next call works") {
  for (int round = 0; round < 200; ++round) {
    for (const std::size_t threads : {1, 2, 8}) EXPECT(thrown(threads) == "7");
  }
  EXPECT(sum(1000, 4, 1) == 499500);
}

TEST("a thread begins with a share of its own, and helps the others when it is done") {
  std::vector<std::thread::id> by(8);
  const auto caller = std::this_thread::get_id();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::atomic<int> begun{0};
  for_each_task(8, 2, [&](std::size_t task) {
    by[task] = std::this_thread::get_id();
    // Both are here before either goes on; the thread that is not the caller stays with its first task.
    ++begun;
    while (begun < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    if (by[task] != caller) {
      while (begun < 8 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    }
  });
  EXPECT(std::count(by.begin(), by.end(), caller) == 7);
  EXPECT(by[0] == caller || by[4] == caller);
  EXPECT(by[0] != caller || by[4] != caller);
}

TEST("calls from many threads and from within tasks all come to an end") {
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        for_each_task(4, 3, [&](std::size_t) {
          if (sum(1000, 3, 1) != 499500) ++wrong;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT(wrong == 0);
}

#ifndef __SANITIZE_THREAD__  // which has no threads after a fork
TEST("a forked child has a crew of its own") {
  EXPECT(do_two_meet());
  const pid_t child = ::fork();
  if (child == 0) ::_exit(do_two_meet() && thrown(4) == "7" ? 0 : 1);
  int status = -1;
  EXPECT(::waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#ifdef __GLIBC__
TEST("where the system refuses threads, the caller does the work") {
  const pid_t child = ::fork();  // whose crew is empty
  if (child == 0) {
    pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t{1} << 46);
    bool is_refused = false;
    if (::pthread_setattr_default_np(&huge) == 0) {
      try {
        std::thread([] {}).join();
      } catch (const std::system_error&) {
        is_refused = true;
      }
    }
    ::_exit(is_refused && sum(1000, 4, 1) == 499500 && thrown(4) == "7" ? 0 : 1);
  }
  int status = -1;
  EXPECT(::waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif
#endif

int main() { return check::run_all(); }
