#include "engine/scheduler.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace pelton {

Scheduler::Scheduler(const SchedulerOptions& options) : options_(options) {
  CHECK(options.page_token_count > 0 && options.sequence_count_max > 0);
  // Otherwise decode rows alone could fill every step, and a prompt would wait for ever.
  CHECK(options.sequence_count_max <= options.step_token_count_max);
  if (options.page_count > 0) groups_.push_back({PagePool(options.page_count), std::nullopt, options.page_count});
  if (options.local) {
    CHECK(options.local->page_count > 0 && options.local->window > 0);
    groups_.push_back(
        {PagePool(options.local->page_count), options.local->window,
         window_page_count_max(options.local->window, options.step_token_count_max, options.page_token_count)});
  }
  CHECK(!groups_.empty());
}

void Scheduler::add(RequestId id, int64_t token_count) {
  CHECK(token_count > 0);
  waiting_.push_back({.id = id, .token_count = token_count, .pages = std::vector<PageTable>(groups_.size())});
  const bool is_new = sequences_.emplace(id, std::prev(waiting_.end())).second;
  CHECK(is_new);
  check_fits(waiting_.back());
}

void Scheduler::remove(RequestId id) {
  const Queue::iterator sequence = find(id);
  release_pages(*sequence);
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
      take_pages(sequence);
      schedule(sequence, std::min(sequence.pending_count(), budget_left(plan)), plan);
    }
  }
}

void Scheduler::admit(StepPlan& plan) {
  while (!waiting_.empty() && running_count() < options_.sequence_count_max && budget_left(plan) > 0) {
    const auto sequence = waiting_.begin();
    if (!has_pages(*sequence, running_count())) return;
    const bool is_whole = options_.keeps_sequences_whole;
    if (is_whole && plan.row_count > 0 && sequence->token_count > budget_left(plan)) return;
    running_.splice(running_.end(), waiting_, sequence);
    sequence->is_running = true;
    take_pages(*sequence);
    const int64_t pending_count = sequence->pending_count();
    schedule(*sequence, is_whole ? pending_count : std::min(pending_count, budget_left(plan)), plan);
  }
}

bool Scheduler::grow_or_preempt(Queue::iterator sequence, StepPlan& plan) {
  check_fits(*sequence);
  while (!has_pages(*sequence, 0)) {
    const bool is_youngest = std::next(sequence) == running_.end();
    preempt_youngest(plan);
    if (is_youngest) return false;
  }
  take_pages(*sequence);
  return true;
}

void Scheduler::preempt_youngest(StepPlan& plan) {
  const auto victim = std::prev(running_.end());
  release_pages(*victim);
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
                            .pages = {},
                            .local_pages = {}});
  for (size_t i = 0; i < groups_.size(); ++i) {
    ScheduledRows& rows = plan.sequences.back();
    (groups_[i].window ? rows.local_pages : rows.pages) = sequence.pages[i].indices();
  }
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

// The rows from first position f on see positions from f + 1 - window on. As f grows this gives no more pages than it
// gives back, while the tokens stay the same.
Scheduler::PagesWanted Scheduler::pages_wanted(const Group& group, const Sequence& sequence) const {
  const int64_t all = (sequence.token_count + options_.page_token_count - 1) / options_.page_token_count;
  if (!group.window) return {0, all};
  const int64_t first_seen = std::max<int64_t>(0, sequence.computed_count + 1 - *group.window);
  const int64_t first = first_seen / options_.page_token_count;
  return {first, std::min(all, first + group.held_count_max)};
}

void Scheduler::take_pages(Sequence& sequence) {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const PagesWanted wanted = pages_wanted(groups_[i], sequence);
    sequence.pages[i].release_before(groups_[i].pool, wanted.first);
    sequence.pages[i].grow(groups_[i].pool, wanted.end);
  }
}

bool Scheduler::has_pages(const Sequence& sequence, int64_t spare_count) const {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const PagesWanted wanted = pages_wanted(groups_[i], sequence);
    const PageTable& table = sequence.pages[i];
    const int64_t kept_count = std::min(table.held_count(), table.size() - std::min(wanted.first, table.size()));
    const int64_t free_count = groups_[i].pool.free_count() + table.held_count() - kept_count;
    if (wanted.end - table.size() + spare_count > free_count) return false;
  }
  return true;
}

void Scheduler::release_pages(Sequence& sequence) {
  for (size_t i = 0; i < groups_.size(); ++i) sequence.pages[i].release(groups_[i].pool);
}

void Scheduler::check_fits(const Sequence& sequence) const {
  for (const Group& group : groups_) {
    const PagesWanted wanted = pages_wanted(group, sequence);
    CHECK(wanted.end - wanted.first <= group.pool.page_count());
  }
}

int64_t Scheduler::pages_used() const {
  int64_t count = 0;
  for (const Group& group : groups_) count += group.pool.used_count();
  return count;
}

int64_t Scheduler::pages_total() const {
  int64_t count = 0;
  for (const Group& group : groups_) count += group.pool.page_count();
  return count;
}

Scheduler::Queue::iterator Scheduler::find(RequestId id) {
  const auto entry = sequences_.find(id);
  CHECK(entry != sequences_.end());
  return entry->second;
}

}  // namespace pelton
