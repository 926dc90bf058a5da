// Times of a table's rows: kept on disk, then turned into 32-bit codes.
#pragma once

#include <cstdint>
#include <string>

#include "arrow.hpp"
#include "scratch.hpp"

namespace weft {

constexpr std::int64_t kNullTime = INT64_MIN;

// See `TimeCodes` in layout.py.
struct TimePlan {
  bool has_times = false;
  bool has_low = false;
  std::int64_t origin = 0;
  std::uint64_t unit = 1;
  std::int64_t newest = kNullTime;
};

// Writes times (i64, kNullTime for null) to a scratch file and finds the unit that codes them.
class TimeSpill {
 public:
  explicit TimeSpill(const std::string& path) : writer_(path) {}
  void add(const Column& times);
  // The unit is the greatest common divisor of the distances where 32 bits hold the range in it, and the
  // least that fits otherwise, with the remainders as lows.
  TimePlan finish();

 private:
  ScratchWriter writer_;
  std::int64_t least_ = INT64_MAX;
  std::int64_t most_ = INT64_MIN;
  std::uint64_t divisor_ = 0;
  std::int64_t any_ = 0;
};

// Writes the code of each time, and its low where the plan has lows (`lows` is empty otherwise).
void encode_times(const std::string& times, std::uint64_t count, const TimePlan& plan, const std::string& codes,
                  const std::string& lows);

}  // namespace weft
