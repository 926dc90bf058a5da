// What to do when the system refuses a write, which depends on why.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "error.hpp"

namespace weft {

// The hint of GRAPH010 for an error number; weft.graph.writing says the same in Python.
inline const char* write_hint(int problem) noexcept {
  switch (problem) {
    case EROFS:
      return "choose a folder on a file system that can be written, and run it again.";
    case ENOENT:
      return "choose a folder that exists.";
    case EACCES:
    case EPERM:
      return "allow this user to write there, or choose another folder.";
    case ENAMETOOLONG:
      return "choose a folder with a shorter name.";
    case EEXIST:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
      return "choose another folder; something that is no folder is in the way.";
    case EMFILE:
    case ENFILE:
      return "allow more open files, and run it again.";
    default:
      return "free some space or choose another folder, and run it again.";
  }
}

// Throws GRAPH010 for a path, with what errno says.
[[noreturn]] inline void fail_to_write(const std::string& path) {
  const int problem = errno;
  throw Error(Fault::unavailable, "GRAPH010", "'" + path + "' could not be written: " + std::strerror(problem) + ".",
              write_hint(problem));
}

}  // namespace weft
