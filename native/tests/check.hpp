// The smallest test harness that serves: named cases, a failed check prints and counts.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace check {

struct Case {
  const char* name;
  std::function<void()> run;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
inline int& failures() {
  static int count = 0;
  return count;
}
struct Register {
  Register(const char* name, std::function<void()> run) { cases().push_back({name, std::move(run)}); }
};

inline int run_all() {
  for (const Case& one : cases()) {
    const int before = failures();
    try {
      one.run();
    } catch (const std::exception& error) {
      std::printf("  threw: %s\n", error.what());
      ++failures();
    }
    std::printf("%s %s\n", failures() == before ? "ok  " : "FAIL", one.name);
  }
  return failures() == 0 ? 0 : 1;
}

}  // namespace check

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)
#define TEST(name)                                                                                  \
  static void CHECK_JOIN(test_, __LINE__)();                                                        \
  static const check::Register CHECK_JOIN(register_, __LINE__)(name, CHECK_JOIN(test_, __LINE__)); \
  static void CHECK_JOIN(test_, __LINE__)()
#define EXPECT(condition)                                                          \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::printf("  %s:%d: expected %s\n", __FILE__, __LINE__, #condition);       \
      ++check::failures();                                                         \
    }                                                                              \
  } while (false)
#define EXPECT_ERROR(expression, wanted)                                           \
  do {                                                                             \
    std::string found = "nothing";                                                 \
    try {                                                                          \
      (void)(expression);                                                          \
    } catch (const weft::Error& error) {                                           \
      found = error.code;                                                          \
    }                                                                              \
    if (found != (wanted)) {                                                       \
      std::printf("  %s:%d: expected %s, got %s\n", __FILE__, __LINE__, wanted, found.c_str()); \
      ++check::failures();                                                         \
    }                                                                              \
  } while (false)
