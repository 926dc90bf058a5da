#include "buffer.hpp"

#include <cstddef>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "check.hpp"

using weft::Buffer;
using weft::give_memory;
using weft::take_memory;

TEST("a thread takes first what it gave back itself, the last first") {
  void* mine = take_memory(10000);
  void* later = take_memory(10000);
  give_memory(mine, 10000);
  give_memory(later, 10000);
  void* elsewhere = nullptr;
  std::thread([&] {
    elsewhere = take_memory(10000);
    give_memory(elsewhere, 10000);
  }).join();
  EXPECT(elsewhere != mine && elsewhere != later);
  EXPECT(take_memory(9000) == later);  // of one class with 10000
  EXPECT(take_memory(10000) == mine);
  give_memory(mine, 10000);
  give_memory(later, 9000);
}

TEST("arrays that live at one time never share memory, whichever thread made or dropped them") {
  std::vector<std::vector<Buffer<std::byte>>> made(4);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < made.size(); ++t) {
      threads.emplace_back([&, t] {
        auto& mine = made[t];
        for (std::size_t i = 0; i < 50; ++i) {
          mine.emplace_back(i * 700 + 1);
          std::memset(mine.back().data(), static_cast<int>(t), mine.back().size());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    std::set<const std::byte*> places;
    std::size_t count = 0;
    for (std::size_t t = 0; t < made.size(); ++t) {
      for (const auto& array : made[t]) {
        ++count;
        places.insert(array.data());
        EXPECT(array[0] == static_cast<std::byte>(t) && array[array.size() - 1] == static_cast<std::byte>(t));
      }
    }
    EXPECT(places.size() == count);
    // The next thread drops what this one made.
    std::vector<std::thread> droppers;
    for (std::size_t t = 0; t < made.size(); ++t) {
      droppers.emplace_back([&, t] { made[(t + 1) % made.size()].clear(); });
    }
    for (std::thread& thread : droppers) thread.join();
  }
}

TEST("more than a thread may keep is kept for all, or freed") {
  std::vector<void*> held;
  for (int i = 0; i < 40; ++i) held.push_back(take_memory(std::size_t{1} << 20));
  const std::set<void*> before(held.begin(), held.end());
  for (void* memory : held) give_memory(memory, std::size_t{1} << 20);
  std::size_t again = 0;
  std::thread([&] {
    for (int i = 0; i < 24; ++i) {
      void* memory = take_memory(std::size_t{1} << 20);
      again += before.count(memory);
      give_memory(memory, std::size_t{1} << 20);
    }
  }).join();
  EXPECT(again == 24);
}

int main() { return check::run_all(); }
