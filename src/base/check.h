// CHECK: an assumption that no input can break. A failed one is a bug: it prints where and stops the process.
#pragma once

namespace pelton {

[[noreturn]] void check_failed(const char* file, int line, const char* expression);

}  // namespace pelton

#define CHECK(condition) ((condition) ? static_cast<void>(0) : ::pelton::check_failed(__FILE__, __LINE__, #condition))

// For hot loops: compiled out where NDEBUG is set.
#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(!(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif

#define PELTON_UNREACHABLE() ::pelton::check_failed(__FILE__, __LINE__, "unreachable")
