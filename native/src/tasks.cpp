#include "tasks.hpp"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <system_error>
#include <thread>

namespace weft {
namespace {

// One call of run_together.
struct Job {
  const std::function<void()>* work;
  std::size_t wanted;                    // threads that may still begin
  std::atomic<std::size_t> running = 0;  // threads that have begun and not left; changed under the guard
};

// How often to look before sleeping, some tens of microseconds: waking a thread that sleeps takes longer, and
// the calls of a loader follow each other closely.
constexpr int kLooks = 600;

inline void pause_thread() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

template <class Done>
void look(const Done& done) noexcept {
  for (int i = 0; i < kLooks && !done(); ++i) pause_thread();
}

class Crew {
 public:
  void run(std::size_t others, const std::function<void()>& work) {
    Job job{&work, others};
    {
      const std::lock_guard lock(guard_);
      waiting_.push_back(&job);
      num_waiting_.store(waiting_.size(), std::memory_order_relaxed);
      while (idle_ + starting_ < wanted() && num_threads_ < kMost && hire()) {
      }
    }
    for (std::size_t i = 0; i < others; ++i) wake_.notify_one();
    work();
    std::unique_lock lock(guard_);
    withdraw(&job);
    if (job.running != 0) {
      lock.unlock();
      look([&] { return job.running.load(std::memory_order_acquire) == 0; });
      lock.lock();
      left_.wait(lock, [&] { return job.running == 0; });
    }
  }

 private:
  static constexpr std::size_t kMost = 256;

  std::size_t wanted() const {
    std::size_t total = 0;
    for (const Job* job : waiting_) total += job->wanted;
    return total;
  }

  // Threads that have not begun are not needed any more.
  void withdraw(const Job* job) {
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (*at == job) {
        waiting_.erase(at);
        break;
      }
    }
    num_waiting_.store(waiting_.size(), std::memory_order_relaxed);
  }

  // Returns false where the system refuses a thread.
  bool hire() {
    try {
      std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      return false;
    }
    ++num_threads_;
    ++starting_;
    return true;
  }

  void serve() {
    std::unique_lock lock(guard_);
    --starting_;
    while (true) {
      ++idle_;
      if (waiting_.empty()) {
        lock.unlock();
        look([&] { return num_waiting_.load(std::memory_order_relaxed) > 0; });
        lock.lock();
      }
      wake_.wait(lock, [&] { return !waiting_.empty(); });
      --idle_;
      Job* job = waiting_.front();
      ++job->running;
      if (--job->wanted == 0) waiting_.pop_front();
      num_waiting_.store(waiting_.size(), std::memory_order_relaxed);
      lock.unlock();
      (*job->work)();
      lock.lock();
      if (--job->running == 0) left_.notify_all();
    }
  }

  std::mutex guard_;
  std::condition_variable wake_;
  std::condition_variable left_;
  std::deque<Job*> waiting_;
  std::atomic<std::size_t> num_waiting_ = 0;  // what may be looked at without the guard
  std::size_t num_threads_ = 0;
  std::size_t starting_ = 0;
  std::size_t idle_ = 0;
};

std::atomic<Crew*> shared_crew{nullptr};

// Never destroyed: its threads wait until the process ends, and a forked child has none of them.
Crew& crew() {
  static const bool is_prepared = [] {
    shared_crew = new Crew;
    ::pthread_atfork(nullptr, nullptr, [] { shared_crew = new Crew; });
    return true;
  }();
  (void)is_prepared;
  return *shared_crew;
}

}  // namespace

void run_together(std::size_t others, const std::function<void()>& work) {
  if (others == 0) {
    work();
    return;
  }
  crew().run(others, work);
}

void Failure::keep(std::size_t task) noexcept {
  const std::lock_guard lock(guard_);
  if (task < this->task()) {
    task_.store(task, std::memory_order_relaxed);
    first_ = std::current_exception();
  }
}

void Failure::rethrow() const {
  if (first_) std::rethrow_exception(first_);
}

}  // namespace weft
