// Errors that cross into Python: a code with a page, a sentence with the values, a hint.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace weft {

// What failed, for the class of the Python exception: the user's doing, the world's, or ours.
enum class Fault { user, unavailable, invariant };

class Error : public std::runtime_error {
 public:
  Error(Fault whose, std::string page, const std::string& message, std::string advice)
      : std::runtime_error(message), fault(whose), code(std::move(page)), hint(std::move(advice)) {}

  Fault fault;
  std::string code;
  std::string hint;
};

}  // namespace weft
