#include "times.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

namespace weft {
namespace {

constexpr std::uint64_t kMostSteps = 0xFFFFFFFEu;

std::uint64_t distance(std::int64_t from, std::int64_t to) noexcept {
  return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
}

}  // namespace

void TimeSpill::add(const Column& times) {
  std::vector<std::int64_t> chunk(static_cast<std::size_t>(times.length));
  for (std::int64_t i = 0; i < times.length; ++i) {
    if (times.is_null(i)) {
      chunk[i] = kNullTime;
      continue;
    }
    const std::int64_t time = chunk[i] = times.integer(i);
    if (least_ > most_) any_ = time;
    least_ = std::min(least_, time);
    most_ = std::max(most_, time);
    const std::uint64_t apart = time < any_ ? distance(time, any_) : distance(any_, time);
    if (divisor_ == 0 || (divisor_ != 1 && apart % divisor_ != 0)) divisor_ = std::gcd(divisor_, apart);
  }
  writer_.append(chunk.data(), chunk.size() * sizeof(std::int64_t));
}

TimePlan TimeSpill::finish() {
  writer_.finish();
  TimePlan plan;
  if (least_ > most_) return plan;
  plan.has_times = true;
  plan.origin = least_;
  plan.newest = most_;
  const std::uint64_t range = distance(least_, most_);
  plan.unit = std::max<std::uint64_t>(1, divisor_);
  if (range / plan.unit > kMostSteps) {
    plan.unit = range / (kMostSteps + 1) + 1;
    plan.has_low = true;
  }
  return plan;
}

void encode_times(const std::string& times, std::uint64_t count, const TimePlan& plan, const std::string& codes,
                  const std::string& lows) {
  constexpr std::size_t kChunk = 1 << 14;
  ScratchReader reader(times, sizeof(std::int64_t));
  ScratchWriter codes_out(codes);
  std::optional<ScratchWriter> lows_out;
  if (plan.has_low) lows_out.emplace(lows);
  std::vector<std::int64_t> time(kChunk);
  std::vector<std::uint32_t> code(kChunk), low(kChunk);
  for (std::uint64_t done = 0; done < count; done += kChunk) {
    const std::size_t size = std::min<std::uint64_t>(kChunk, count - done);
    reader.read(time.data(), size);
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint64_t since = time[i] == kNullTime ? 0 : distance(plan.origin, time[i]);
      code[i] = time[i] == kNullTime ? 0 : static_cast<std::uint32_t>(since / plan.unit + 1);
      if (plan.has_low) low[i] = static_cast<std::uint32_t>(since % plan.unit);
    }
    codes_out.append(code.data(), size * sizeof(std::uint32_t));
    if (lows_out) lows_out->append(low.data(), size * sizeof(std::uint32_t));
  }
  codes_out.finish();
  if (lows_out) lows_out->finish();
}

}  // namespace weft
