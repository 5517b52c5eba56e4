#include "engine/time_account.h"

#include <algorithm>

#include "base/check.h"

namespace pelton {
namespace {

Duration scaled(Duration duration, double factor) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, Duration::period>(duration) * factor);
}

}  // namespace

std::string_view time_part_name(TimePart part) {
  switch (part) {
    case TimePart::kQueue:
      return "queue";
    case TimePart::kPrompt:
      return "prompt";
    case TimePart::kDecode:
      return "decode";
    case TimePart::kOtherPrompts:
      return "other_prompts";
    case TimePart::kBatch:
      return "batch";
    case TimePart::kPreemption:
      return "preemption";
    case TimePart::kMachine:
      return "machine";
  }
  PELTON_UNREACHABLE();
}

TimePart TimeShares::largest() const {
  return static_cast<TimePart>(std::max_element(parts_.begin(), parts_.end()) - parts_.begin());
}

void TimeAccount::add_step(const StepAccount& step, int64_t row_count, bool completes_tokens) {
  const bool is_decode = row_count == 1 && completes_tokens;
  TimeShares& shares = has_token_ ? after_first_token_ : until_first_token_;
  const TimePart own = !has_token_ ? TimePart::kPrompt : is_decode ? TimePart::kDecode : TimePart::kPreemption;

  const TimePart waiting = !has_started_                     ? TimePart::kQueue
                           : is_preempted_                   ? TimePart::kPreemption
                           : accounted_ >= step.previous_end ? own  // between two steps: sampling and handing over
                                                             : TimePart::kOtherPrompts;
  shares[waiting] += std::max(Duration(0), step.begin - accounted_);

  // The step is cut as its rows should have cost; what it took beyond that, nobody in it has asked for.
  const Duration taken = step.end - step.begin;
  const StepWork own_work = is_decode ? StepWork{.decode_rows = 1} : StepWork{.prompt_rows = row_count};
  const StepWork others = {step.work.decode_rows - own_work.decode_rows, step.work.prompt_rows - own_work.prompt_rows};
  const double whole_ms = step.times.estimate_ms(step.work);
  const double ms_scale = whole_ms > 0 ? std::min(milliseconds(taken) / whole_ms, 1.0) : 0;
  const auto part = [&](double ms) { return scaled(std::chrono::milliseconds(1), ms * ms_scale); };
  const Duration prompts = part(step.times.prompt_row_ms * static_cast<double>(others.prompt_rows));
  const Duration batch = part(step.times.decode_row_ms * static_cast<double>(others.decode_rows));
  const Duration mine = whole_ms > 0 ? part(step.times.estimate_ms(own_work)) : taken;
  shares[TimePart::kOtherPrompts] += prompts;
  shares[TimePart::kBatch] += batch;
  shares[own] += mine;
  shares[TimePart::kMachine] += std::max(Duration(0), taken - prompts - batch - mine);

  const auto sequence_count = static_cast<double>(step.sequence_count);
  const double fixed_ms = step.times.fixed_ms;
  const double share = whole_ms > 0
                           ? (step.times.estimate_ms(own_work) - fixed_ms + fixed_ms / sequence_count) / whole_ms
                           : 1 / sequence_count;
  (has_token_ ? answer_use_ : prompt_use_) += scaled(taken, share);

  accounted_ = step.end;
  has_started_ = true;
  is_preempted_ = false;
  has_token_ = has_token_ || completes_tokens;
}

TimeAccount TimeAccount::fork() const {
  TimeAccount child = *this;
  child.prompt_use_ = child.answer_use_ = Duration(0);
  return child;
}

}  // namespace pelton
