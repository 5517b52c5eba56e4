// The one place where threads meet. Everything that computes in parallel goes through an Executor, so that two teams of
// threads never fight over the cores: a library that would start its own (oneDNN) is called from inside a region, one
// thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace pelton {

// A reference to a callable that the caller keeps alive during the call: no allocation, unlike std::function.
template <typename Signature>
class FunctionRef;
template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& callable)  // NOLINT(google-explicit-constructor): meant to be passed a lambda
      : object_(const_cast<void*>(static_cast<const void*>(&callable))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(args...);
        }) {}
  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

// Half-open range of work.
struct Range {
  int64_t begin;
  int64_t end;
};

// The `part`-th of `part_count` nearly equal parts of [0, count), each boundary a multiple of `grain`.
Range split_range(int64_t count, int64_t grain, int part, int part_count);

// One thread at a time may use an Executor (the engine's step loop, a command's main thread).
class Executor {
 public:
  // 0: one thread for each usable core.
  explicit Executor(int thread_count = 0);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  int thread_count() const { return thread_count_; }

  // Runs body(thread, thread_count) once for each thread number and waits. With one thread it is a plain call. `body`
  // must neither start another region (CHECK) nor throw (std::terminate): what can fail, as an allocation can, is done
  // before. Idle threads spin for some microseconds, yield for a millisecond, then sleep.
  void parallel(FunctionRef<void(int thread, int thread_count)> body);

  // Splits [0, count) into one range a thread, at multiples of `grain`, and runs body(range) on each non-empty one.
  // Where there is work for one thread only (count <= grain) no region is opened.
  void parallel_for(int64_t count, int64_t grain, FunctionRef<void(Range)> body);

 private:
  class Team;
  void run_region(FunctionRef<void(int, int)> body);

  int thread_count_;
  std::unique_ptr<Team> team_;  // null: one thread
};

}  // namespace pelton
