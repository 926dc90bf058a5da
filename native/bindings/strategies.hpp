// Strategies as Python gives them, checked.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

#include "strategy.hpp"

namespace weft_bindings {

// A strategy of numbers that may be anybody's: a window or half-life that is not positive divides by zero or
// reaches beyond the anchor, and drawing none of several is not what the choices are written for.
inline weft::Strategy checked_strategy(std::uint32_t choice, std::uint32_t fanout, std::int64_t span_us) {
  const auto chosen = static_cast<weft::Choice>(choice);
  if (choice > static_cast<std::uint32_t>(weft::Choice::recent) || fanout == 0) {
    throw nanobind::value_error("no such step");
  }
  const bool has_span = chosen == weft::Choice::window || chosen == weft::Choice::recent;
  if (span_us < (has_span ? 1 : 0)) throw nanobind::value_error("no such step: a window or half-life is positive");
  return {chosen, fanout, span_us};
}

}  // namespace weft_bindings
