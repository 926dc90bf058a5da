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
  std::size_t wanted;       // threads that may still begin
  std::size_t running = 0;  // threads that have begun and not left
};

class Crew {
 public:
  void run(std::size_t others, const std::function<void()>& work) {
    Job job{&work, others};
    {
      const std::lock_guard lock(guard_);
      waiting_.push_back(&job);
      while (idle_ + starting_ < wanted() && num_threads_ < kMost && hire()) {
      }
    }
    for (std::size_t i = 0; i < others; ++i) wake_.notify_one();
    work();
    std::unique_lock lock(guard_);
    // Threads that have not begun are not needed any more.
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (*at == &job) {
        waiting_.erase(at);
        break;
      }
    }
    left_.wait(lock, [&] { return job.running == 0; });
  }

 private:
  static constexpr std::size_t kMost = 256;

  std::size_t wanted() const {
    std::size_t total = 0;
    for (const Job* job : waiting_) total += job->wanted;
    return total;
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
      wake_.wait(lock, [&] { return !waiting_.empty(); });
      --idle_;
      Job* job = waiting_.front();
      ++job->running;
      if (--job->wanted == 0) waiting_.pop_front();
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
  if (!first_ || task < task_) {
    task_ = task;
    first_ = std::current_exception();
  }
  happened_.store(true, std::memory_order_relaxed);
}

void Failure::rethrow() const {
  if (first_) std::rethrow_exception(first_);
}

}  // namespace weft
