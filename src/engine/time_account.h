// Where the time of an answer went: which of it was its own work, which waiting, which the work of others. Pure.
//
//   TimeAccount account(submitted);
//   account.add_step(step, 128, false); …
//   account.until_first_token().largest();   // why its first token took so long
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "engine/step_times.h"

namespace pelton {

enum class TimePart : uint8_t {
  kQueue,         // before its first step
  kPrompt,        // rows of its own prompt
  kDecode,        // rows of its own answer: reading the weights, its keys and values
  kOtherPrompts,  // rows of others' prompts in its steps, and steps that had no row of it
  kBatch,         // rows of others' answers in its steps
  kPreemption,    // it had given up its pages, and computed again what they held
  kMachine,       // steps that took longer than such steps do: something else wants the processors
};
inline constexpr size_t kTimePartCount = 7;
// "queue", "prompt", "decode", "other_prompts", "batch", "preemption", "machine".
std::string_view time_part_name(TimePart part);

class TimeShares {
 public:
  Duration& operator[](TimePart part) { return parts_[static_cast<size_t>(part)]; }
  Duration operator[](TimePart part) const { return parts_[static_cast<size_t>(part)]; }
  TimePart largest() const;

 private:
  std::array<Duration, kTimePartCount> parts_{};
};

// A step of the engine, as all sequences in it share it.
struct StepAccount {
  TimePoint previous_end;  // of the step before
  TimePoint begin;
  TimePoint end;
  StepWork work;
  StepTimes times;  // what such steps take
  int64_t sequence_count = 1;
};

class TimeAccount {
 public:
  explicit TimeAccount(TimePoint submitted = {}) : accounted_(submitted) {}

  // It gave up its pages: the time until it has rows again, and the rows that it had already, are preemption's.
  void preempt() { is_preempted_ = true; }
  // A step with `row_count` rows of it, of which the last gives a token where `completes_tokens`.
  void add_step(const StepAccount& step, int64_t row_count, bool completes_tokens);
  // Another answer to the same prompt goes on from here; the prompt stays with the first.
  TimeAccount fork() const;

  const TimeShares& until_first_token() const { return until_first_token_; }
  const TimeShares& after_first_token() const { return after_first_token_; }
  // Its part of the machine's time: of all steps together, that is their whole time.
  Duration prompt_use() const { return prompt_use_; }
  Duration answer_use() const { return answer_use_; }

 private:
  TimePoint accounted_;  // all before it is in the shares
  bool has_started_ = false;
  bool has_token_ = false;
  bool is_preempted_ = false;
  TimeShares until_first_token_;
  TimeShares after_first_token_;
  Duration prompt_use_{};
  Duration answer_use_{};
};

}  // namespace pelton
