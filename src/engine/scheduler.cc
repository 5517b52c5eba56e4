#include "engine/scheduler.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace pelton {

Scheduler::Scheduler(const SchedulerOptions& options) : options_(options), pool_(options.page_count) {
  CHECK(options.page_count > 0 && options.page_token_count > 0 && options.sequence_count_max > 0);
  // Otherwise decode rows alone could fill every step, and a prompt would wait for ever.
  CHECK(options.sequence_count_max <= options.step_token_count_max);
}

void Scheduler::add(RequestId id, int64_t token_count) {
  CHECK(token_count > 0 && pages_for(token_count) <= options_.page_count);
  waiting_.push_back({.id = id, .token_count = token_count});
  const bool is_new = sequences_.emplace(id, std::prev(waiting_.end())).second;
  CHECK(is_new);
}

void Scheduler::remove(RequestId id) {
  const Queue::iterator sequence = find(id);
  sequence->pages.release(pool_);
  (sequence->is_running ? running_ : waiting_).erase(sequence);
  sequences_.erase(id);
}

void Scheduler::plan(StepPlan& plan) {
  plan.sequences.clear();
  plan.preempted.clear();
  plan.row_count = 0;
  plan_decoding(plan);
  plan_prompts(plan);
  // Whoever was just preempted would be the first to come back, into pages that somebody needs.
  if (plan.preempted.empty()) admit(plan);
  CHECK(is_empty() || plan.row_count > 0);
}

void Scheduler::plan_decoding(StepPlan& plan) {
  for (auto sequence = running_.begin(); sequence != running_.end();) {
    // Preemption takes from the end of the list, maybe this very sequence: then nothing comes after it.
    if (sequence->pending_count() == 1) {
      if (!grow_or_preempt(sequence, plan)) return;
      schedule(*sequence, 1, plan);
    }
    ++sequence;
  }
}

void Scheduler::plan_prompts(StepPlan& plan) {
  for (Sequence& sequence : running_) {
    if (budget_left(plan) == 0) return;
    if (sequence.pending_count() > 1) {
      schedule(sequence, std::min(sequence.pending_count(), budget_left(plan)), plan);
    }
  }
}

void Scheduler::admit(StepPlan& plan) {
  while (!waiting_.empty() && running_count() < options_.sequence_count_max && budget_left(plan) > 0) {
    const auto sequence = waiting_.begin();
    const int64_t page_count = pages_for(sequence->token_count);
    if (page_count + running_count() > pool_.free_count()) return;
    const bool is_whole = options_.keeps_sequences_whole;
    if (is_whole && plan.row_count > 0 && sequence->token_count > budget_left(plan)) return;
    running_.splice(running_.end(), waiting_, sequence);
    sequence->is_running = true;
    sequence->pages.grow(pool_, page_count);
    const int64_t pending_count = sequence->pending_count();
    schedule(*sequence, is_whole ? pending_count : std::min(pending_count, budget_left(plan)), plan);
  }
}

bool Scheduler::grow_or_preempt(Queue::iterator sequence, StepPlan& plan) {
  const int64_t page_count = pages_for(sequence->token_count);
  CHECK(page_count <= options_.page_count);
  while (page_count - sequence->pages.size() > pool_.free_count()) {
    const bool is_youngest = std::next(sequence) == running_.end();
    preempt_youngest(plan);
    if (is_youngest) return false;
  }
  sequence->pages.grow(pool_, page_count);
  return true;
}

void Scheduler::preempt_youngest(StepPlan& plan) {
  const auto victim = std::prev(running_.end());
  victim->pages.release(pool_);
  victim->computed_count = 0;
  victim->is_running = false;
  waiting_.splice(waiting_.begin(), running_, victim);
  plan.preempted.push_back(victim->id);
  ++preemption_count_;
}

void Scheduler::schedule(Sequence& sequence, int64_t row_count, StepPlan& plan) {
  plan.sequences.push_back({.id = sequence.id,
                            .first_position = sequence.computed_count,
                            .row_count = row_count,
                            .completes_tokens = row_count == sequence.pending_count(),
                            .is_first = !sequence.has_started,
                            .pages = sequence.pages.indices()});
  plan.row_count += row_count;
  sequence.has_started = true;
}

void Scheduler::complete(const StepPlan& plan) {
  for (const ScheduledRows& rows : plan.sequences) {
    const auto entry = sequences_.find(rows.id);
    if (entry != sequences_.end()) entry->second->computed_count += rows.row_count;
  }
}

void Scheduler::append_token(RequestId id) {
  Sequence& sequence = *find(id);
  CHECK(sequence.is_running && sequence.pending_count() == 0);
  ++sequence.token_count;
}

int64_t Scheduler::pages_for(int64_t token_count) const {
  return (token_count + options_.page_token_count - 1) / options_.page_token_count;
}

Scheduler::Queue::iterator Scheduler::find(RequestId id) {
  const auto entry = sequences_.find(id);
  CHECK(entry != sequences_.end());
  return entry->second;
}

}  // namespace pelton
