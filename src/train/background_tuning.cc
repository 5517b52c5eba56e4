#include "train/background_tuning.h"

#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/memory_usage.h"
#include "base/signal_block.h"
#include "base/thread_priority.h"
#include "ops/give_way.h"
#include "train/tune_memory.h"

namespace pelton {
namespace {

// Runs `work` on a thread of its own, of the lowest priority, and waits. What it throws, this throws.
void run_low(const std::function<bool()>& is_busy, const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread thread;
  {
    const SignalBlock block;
    thread = std::thread([&] {
      try {
        lower_thread_priority();  // where the system refuses it, pauses are all that is left
        const GiveWay way({.is_busy = is_busy});
        work();
      } catch (...) {
        failure = std::current_exception();
      }
    });
  }
  thread.join();
  if (failure != nullptr) std::rethrow_exception(failure);
}

// Error kResourceExhausted.
void check_memory(const BackgroundTuning& tuning, const TuneData& data) {
  const TuneMemory memory({}, tuning.bundle->model, tuning.recipe, data);
  if (!memory.fits()) throw Error(ErrorCode::kResourceExhausted, memory.refusal());
}

}  // namespace

void check_in_background(const BackgroundTuning& tuning) {
  run_low(tuning.is_busy, [&] { check_memory(tuning, read_tune_data(tuning.bundle, tuning.recipe)); });
}

bool tune_in_background(const BackgroundTuning& tuning, const Clock& clock) {
  std::optional<Executor> executor;
  std::optional<TuneRun> run;
  bool is_trained = false;
  run_low(tuning.is_busy, [&] {
    TuneData data = read_tune_data(tuning.bundle, tuning.recipe);
    check_memory(tuning, data);
    TuneSize size{.record_count = data.records.taken(), .token_count = 0, .step_count = 0};
    for (const Example& example : data.examples) size.token_count += example.token_count();
    executor.emplace(tuning.thread_count);  // here, so that its threads are as low
    run.emplace(*executor, tuning.bundle, tuning.recipe, std::move(data), tuning.listener, clock);
    size.step_count = run->step_count();
    tuning.on_beginning(size);
    is_trained = run->train();
  });
  if (!is_trained) return false;
  Executor writer(1);
  run->write_output(writer);
  tuning.on_output();  // before low threads are waited for
  return true;
}

}  // namespace pelton
