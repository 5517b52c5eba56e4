#include "engine/scheduler.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/check.h"

namespace pelton {
namespace {

// Clients are remembered when they have nothing to do, so that going away and coming back gains nothing; of strangers
// there is no end, so only about as many.
constexpr size_t kClientCountMax = 1024;
constexpr double kAnswerTokenService = 2;
// A sequence waits for somebody who is computing its prefix if that saves so many pages: about a small step's rows.
constexpr int64_t kPagesWorthWaiting = 4;
// Each so many-th place, and step, is for whoever has waited longest.
constexpr uint64_t kPlacesByAge = 8;
// Predictions are not exact: this part of the time to the first token is what is counted on.
constexpr double kTtftShare = 0.9;

}  // namespace

StepWork work_of(const StepPlan& plan) {
  StepWork work;
  for (const ScheduledRows& rows : plan.sequences) {
    const bool is_decode = rows.row_count == 1 && rows.completes_tokens;
    (is_decode ? work.decode_rows : work.prompt_rows) += rows.row_count;
  }
  return work;
}

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

// --- Lines

void Scheduler::add(const SequenceArrival& arrival) {
  CHECK(arrival.token_count > 0 && arrival.token_count_max.value_or(arrival.token_count) >= arrival.token_count);
  CHECK(!contains(arrival.id));
  Client& client = client_of(arrival.client);
  Sequence sequence{.id = arrival.id,
                    .token_count = arrival.token_count,
                    .token_count_max = arrival.token_count_max,
                    .priority = arrival.priority,
                    .client = &client,
                    .number = ++arrival_count_,
                    .waits_since = arrival.time,
                    .rank = static_cast<int64_t>(arrival.priority),
                    .prompt_count = arrival.token_count,
                    .prefixes = {arrival.prefixes.begin(), arrival.prefixes.end()},
                    .pages = std::vector<PageTable>(groups_.size())};
  check_fits(sequence);
  if (arrival.token_count_max) {  // then its steps allocate nothing
    const int64_t page_count = page_count_for(*arrival.token_count_max);
    if (!arrival.prefixes.empty()) sequence.prefixes.reserve(static_cast<size_t>(page_count));
    for (PageTable& table : sequence.pages) table.reserve(page_count);
  }
  Queue& queue = waiting_queue(sequence);
  sequences_.emplace(arrival.id, queue.insert(queue.end(), std::move(sequence)));
  ++client.sequence_count;
}

void Scheduler::remove(SequenceId id) {
  Sequence& sequence = find(id);
  release_pages(sequence);
  Client& client = *sequence.client;
  if (sequence.is_running) --client.running_count;
  const auto entry = sequences_.find(id);
  (sequence.is_running ? running_ : waiting_queue(sequence)).erase(entry->second);
  sequences_.erase(entry);
  if (--client.sequence_count == 0) service_floor_ = client.service;
}

Scheduler::Client& Scheduler::client_of(uint64_t key) {
  if (clients_.size() >= kClientCountMax) forget_idle_clients();
  Client& client = clients_[key];
  if (client.sequence_count > 0) return client;
  double floor = std::numeric_limits<double>::infinity();
  for (const auto& [other_key, other] : clients_) {
    if (other.sequence_count > 0) floor = std::min(floor, other.service);
  }
  if (floor == std::numeric_limits<double>::infinity()) floor = service_floor_;
  client.service = std::max(client.service, floor);
  return client;
}

void Scheduler::forget_idle_clients() {
  std::erase_if(clients_, [](const auto& entry) { return entry.second.sequence_count == 0; });
}

bool Scheduler::would_be_late(const Sequence& sequence, int64_t rows_before) const {
  if (!options_.service_level) return false;
  const int64_t chunk_rows = std::max(kPromptRowsMin, step_budget_ - running_count());
  const Duration ahead =
      time_to_compute(options_.step_times, rows_before + sequence.token_count, chunk_rows, running_count());
  const auto ttft = std::chrono::duration_cast<Duration>(kTtftShare * options_.service_level->ttft);
  return now_ - sequence.waits_since + ahead > ttft;
}

// From the front of each line, which has waited longest.
void Scheduler::set_late_aside(Client& client) {
  for (Queue& queue : client.waiting) {
    while (!queue.empty() && would_be_late(queue.front(), 0)) {
      const auto sequence = queue.begin();
      sequence->is_late = true;
      Queue& late = waiting_queue(*sequence);
      late.splice(insert_by_age(late, *sequence), queue, sequence);
    }
  }
}

// Decode rows of the step are planned.
void Scheduler::reckon_with_service_level(const StepPlan& plan) {
  step_budget_ = options_.step_token_count_max;
  running_count_max_ = options_.sequence_count_max;
  if (!options_.service_level) return;
  const ServiceLevel& level = *options_.service_level;
  running_count_max_ = std::min(running_count_max_, decode_rows_max(level, options_.step_times));
  step_budget_ = plan.row_count + prompt_rows_max(level, options_.step_times, plan.row_count,
                                                  options_.step_token_count_max - plan.row_count);
  prompt_backlog_ = 0;
  late_backlog_ = 0;
  for (const Sequence& sequence : running_) {
    if (sequence.planned == plan_number_) continue;
    (sequence.is_late ? late_backlog_ : prompt_backlog_) += sequence.pending_count();
  }
}

bool Scheduler::is_before_in_line(const Sequence& a, const Sequence& b) const {
  if (a.is_running) return a.rank != b.rank ? a.rank < b.rank : a.number < b.number;
  if (is_place_by_age()) return a.waits_since != b.waits_since ? a.waits_since < b.waits_since : a.number < b.number;
  if (a.rank != b.rank) return a.rank < b.rank;
  if (a.was_admitted != b.was_admitted) return a.was_admitted;
  if (a.client->service != b.client->service) return a.client->service < b.client->service;
  if (a.is_late != b.is_late) return b.is_late;
  return a.number < b.number;
}

bool Scheduler::is_prompt_before(const Sequence& a, const Sequence& b) const {
  const bool is_by_age = plan_number_ % kPlacesByAge == 0;
  if (is_by_age && a.waits_since != b.waits_since) return a.waits_since < b.waits_since;
  if (a.rank != b.rank) return a.rank < b.rank;
  if (a.client->service != b.client->service) return a.client->service < b.client->service;
  if (a.is_late != b.is_late) return b.is_late;
  return a.number < b.number;
}

bool Scheduler::is_last_place_for_others(const Sequence& sequence) const {
  return running_count() > 1 && running_count() + 1 == running_count_max_ && clients_.size() > 1 &&
         sequence.client->running_count > 0;
}

bool Scheduler::is_place_by_age() const { return admission_count_ % kPlacesByAge == kPlacesByAge - 1; }

// Of each client's line the first that is not deferred.
Scheduler::Sequence* Scheduler::first_in_line() {
  Sequence* first = nullptr;
  const auto consider = [&](Queue& queue) {
    const auto candidate = std::find_if(queue.begin(), queue.end(),
                                        [&](const Sequence& waiting) { return waiting.deferred != plan_number_; });
    if (candidate == queue.end()) return;
    if (first == nullptr || is_before_in_line(*candidate, *first)) first = &*candidate;
  };
  for (auto& [key, client] : clients_) {
    set_late_aside(client);
    for (Queue& queue : client.waiting) consider(queue);
    for (Queue& queue : client.late) consider(queue);
  }
  return first;
}

Scheduler::Queue& Scheduler::waiting_queue(const Sequence& sequence) const {
  auto& queues = sequence.is_late ? sequence.client->late : sequence.client->waiting;
  return queues[static_cast<size_t>(sequence.priority)];
}

// Those who ran before stand in front of those who did not. The former look for their place from the front, the latter
// from the back: near it in either case, however long the line is.
Scheduler::Queue::iterator Scheduler::insert_by_age(Queue& queue, const Sequence& sequence) const {
  const auto is_before = [](const Sequence& a, const Sequence& b) {
    return a.was_admitted != b.was_admitted ? a.was_admitted : a.number < b.number;
  };
  if (sequence.was_admitted) {
    return std::find_if(queue.begin(), queue.end(), [&](const Sequence& other) { return is_before(sequence, other); });
  }
  auto place = queue.end();
  while (place != queue.begin() && is_before(sequence, *std::prev(place))) --place;
  return place;
}

void Scheduler::run(Sequence& sequence) {
  sequence.is_running = true;
  sequence.was_admitted = true;
  ++sequence.client->running_count;
  auto place = running_.end();
  while (place != running_.begin() && is_before_in_line(sequence, *std::prev(place))) --place;
  running_.splice(place, waiting_queue(sequence), sequences_.at(sequence.id));
}

// --- Plans

void Scheduler::plan(StepPlan& plan, TimePoint now) {
  plan.sequences.clear();
  plan.preempted.clear();
  plan.copies.clear();
  plan.local_copies.clear();
  plan.row_count = 0;
  plan.wake.reset();
  now_ = now;
  ++plan_number_;
  const bool may_join = may_admit(plan);
  if (may_join) make_place_by_rank(plan);
  const size_t yielded_count = plan.preempted.size();
  plan_decoding(plan);
  reckon_with_service_level(plan);
  // Whoever just gave up pages for rule 6 would be the first to come back, into pages that somebody needs.
  if (may_join && plan.preempted.size() == yielded_count) admit(plan);
  plan_prompts(plan);
  CHECK(is_empty() || plan.row_count > 0 || plan.wake);
}

bool Scheduler::may_admit(StepPlan& plan) const {
  if (options_.batching == Batching::kContinuous) return true;
  if (!running_.empty()) return false;
  if (options_.batching == Batching::kStatic || waiting_count() >= options_.sequence_count_max || is_empty()) {
    return true;
  }
  TimePoint first = TimePoint::max();
  for (const auto& [id, sequence] : sequences_) first = std::min(first, sequence->waits_since);
  if (first + options_.batch_window <= now_) return true;
  plan.wake = first + options_.batch_window;
  return false;
}

void Scheduler::make_place_by_rank(StepPlan& plan) {
  if (running_.empty() || options_.batching != Batching::kContinuous) return;
  const Sequence* candidate = first_in_line();
  if (candidate == nullptr) return;
  const int64_t rank = is_place_by_age() ? 0 : candidate->rank;
  const int64_t cached = cached_page_count(*candidate);
  const auto gives_way = [&](const Sequence& running) {
    return running.rank > rank && running.priority > candidate->priority;
  };
  const auto fits = [&] { return running_count() < options_.sequence_count_max && has_place(*candidate, cached); };
  if (!gives_way(running_.back()) || fits() || is_in_the_making(*candidate, cached)) return;
  // Pages that are shared are counted more than once here: at worst somebody waits in vain.
  for (size_t i = 0; i < groups_.size(); ++i) {
    int64_t count = groups_[i].pool.free_count();
    for (const Sequence& sequence : running_) {
      if (gives_way(sequence)) count += sequence.pages[i].held_count();
    }
    const PagesWanted wanted = pages_wanted(groups_[i], candidate->token_count, 0);
    if (count < wanted.end - std::max(wanted.first, cached)) return;
  }
  while (!running_.empty() && gives_way(running_.back()) && !fits()) preempt_last(plan);
}

void Scheduler::plan_decoding(StepPlan& plan) {
  for (auto sequence = running_.begin(); sequence != running_.end(); ++sequence) {
    // Preemption takes from the end of the list, maybe this very sequence: then nothing comes after it.
    if (!grow_or_preempt(sequence, plan)) return;
    if (sequence->pending_count() == 1) schedule(*sequence, 1, plan);
  }
}

void Scheduler::admit(StepPlan& plan) {
  const bool is_continuous = options_.batching == Batching::kContinuous;
  while (running_count() < running_count_max_) {
    Sequence* sequence = first_in_line();
    if (sequence == nullptr) return;
    const int64_t rank = is_place_by_age() ? 0 : sequence->rank;
    int64_t row_count = plan.row_count;
    for (const Sequence& prompt : running_) {
      if (prompt.planned != plan_number_ && prompt.rank <= rank) row_count += prompt.pending_count();
    }
    if (options_.keeps_sequences_whole) {
      if (row_count > 0 && row_count + sequence->token_count > step_budget_) return;
    } else if (is_continuous && row_count >= step_budget_) {
      return;
    }
    if (is_continuous && is_last_place_for_others(*sequence)) return;
    const int64_t rows_before = sequence->is_late ? prompt_backlog_ + late_backlog_ : prompt_backlog_;
    if (rows_before > 0 && would_be_late(*sequence, rows_before) && !is_place_by_age()) return;
    const int64_t cached = cached_page_count(*sequence);
    if (is_continuous && is_in_the_making(*sequence, cached)) {
      sequence->deferred = plan_number_;
      continue;
    }
    if (!has_place(*sequence, cached)) return;
    start(*sequence, cached, plan);
  }
}

void Scheduler::start(Sequence& sequence, int64_t cached_page_count, StepPlan& plan) {
  if (is_place_by_age()) sequence.rank = 0;
  sequence.computed_count = cached_page_count * options_.page_token_count;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const int64_t first = first_page_seen(groups_[i], sequence.computed_count);
    shared_.clear();
    for (int64_t page = first; page < cached_page_count; ++page) {
      shared_.push_back(groups_[i].pool.find(sequence.prefixes[static_cast<size_t>(page)]).value());
    }
    if (cached_page_count > 0) sequence.pages[i].share(groups_[i].pool, first, shared_);
  }
  // Before its rows are computed: else one client would get all the places that are free at once.
  const int64_t charged = std::max(sequence.charged_count, sequence.computed_count);
  sequence.client->service += static_cast<double>(std::max<int64_t>(0, sequence.prompt_count - charged));
  sequence.charged_count = std::max(charged, sequence.prompt_count);
  if (!sequence.was_admitted) {
    admitted_token_count_ += sequence.token_count;
    cached_token_count_ += sequence.computed_count;
  }
  take_pages(sequence, plan);
  (sequence.is_late ? late_backlog_ : prompt_backlog_) += sequence.pending_count();
  ++admission_count_;
  run(sequence);
}

void Scheduler::plan_prompts(StepPlan& plan) {
  prompts_.clear();
  for (Sequence& sequence : running_) {
    if (sequence.planned != plan_number_ && sequence.pending_count() > 0) prompts_.push_back(&sequence);
  }
  std::sort(prompts_.begin(), prompts_.end(),
            [&](const Sequence* a, const Sequence* b) { return is_prompt_before(*a, *b); });
  for (Sequence* sequence : prompts_) {
    if (budget_left(plan) <= 0) return;
    const int64_t pending_count = sequence->pending_count();
    schedule(*sequence, options_.keeps_sequences_whole ? pending_count : std::min(pending_count, budget_left(plan)),
             plan);
  }
}

bool Scheduler::grow_or_preempt(Queue::iterator sequence, StepPlan& plan) {
  check_fits(*sequence);
  while (!has_pages(*sequence)) {
    const bool is_last = std::next(sequence) == running_.end();
    preempt_last(plan);
    if (is_last) return false;
  }
  take_pages(*sequence, plan);
  return true;
}

void Scheduler::preempt_last(StepPlan& plan) {
  const auto victim = std::prev(running_.end());
  release_pages(*victim);
  victim->computed_count = 0;
  victim->is_running = false;
  --victim->client->running_count;
  victim->waits_since = now_;
  Queue& queue = waiting_queue(*victim);
  queue.splice(insert_by_age(queue, *victim), running_, victim);
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
  sequence.planned = plan_number_;
  sequence.waits_since = now_;
}

void Scheduler::complete(const StepPlan& plan) {
  for (const ScheduledRows& rows : plan.sequences) {
    const auto entry = sequences_.find(rows.id);
    if (entry == sequences_.end()) continue;
    Sequence& sequence = *entry->second;
    const int64_t computed_before = sequence.computed_count;
    sequence.computed_count += rows.row_count;
    const int64_t new_count = std::max<int64_t>(0, sequence.computed_count - sequence.charged_count);
    sequence.client->service += kAnswerTokenService * static_cast<double>(new_count);
    sequence.charged_count += new_count;
    keep_prefixes(sequence, computed_before);
  }
}

void Scheduler::append_token(SequenceId id, const std::optional<PrefixHash>& filled) {
  Sequence& sequence = find(id);
  CHECK(!sequence.is_running || sequence.pending_count() == 0);
  ++sequence.token_count;
  if (filled) sequence.prefixes.push_back(*filled);
}

void Scheduler::fork(SequenceId parent_id, SequenceId child_id) {
  Sequence& parent = find(parent_id);
  CHECK(parent.is_running && parent.pending_count() == 0 && !contains(child_id));
  Sequence child = parent;
  child.id = child_id;
  child.number = ++arrival_count_;
  child.is_running = false;
  child.computed_count = 0;
  child.waits_since = now_;
  child.pages = std::vector<PageTable>(groups_.size());
  ++child.client->sequence_count;
  Queue& queue = waiting_queue(child);
  const auto place = queue.insert(insert_by_age(queue, child), std::move(child));
  sequences_.emplace(child_id, place);
  if (running_count() == options_.sequence_count_max) return;
  place->computed_count = parent.computed_count;
  for (size_t i = 0; i < groups_.size(); ++i) place->pages[i] = parent.pages[i].fork(groups_[i].pool);
  run(*place);
}

// --- Pages

int64_t Scheduler::first_page_seen(const Group& group, int64_t position) const {
  if (!group.window) return 0;
  return std::max<int64_t>(0, position + 1 - *group.window) / options_.page_token_count;
}

// As the first row moves on this gives no more pages than it gives back, while the tokens stay the same.
Scheduler::PagesWanted Scheduler::pages_wanted(const Group& group, int64_t token_count, int64_t computed_count) const {
  const int64_t all = page_count_for(token_count);
  if (!group.window) return {0, all};
  const int64_t first = first_page_seen(group, computed_count);
  return {first, std::min(all, first + group.held_count_max)};
}

bool Scheduler::writes_shared_page(const Group& group, const PageTable& table, const Sequence& sequence) const {
  const int64_t index = sequence.computed_count / options_.page_token_count;
  return table.holds(index) && group.pool.reference_count(table[index]) > 1;
}

void Scheduler::take_pages(Sequence& sequence, StepPlan& plan) {
  for (size_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    PageTable& table = sequence.pages[i];
    const PagesWanted wanted = pages_wanted(group, sequence.token_count, sequence.computed_count);
    table.release_before(group.pool, wanted.first);
    if (writes_shared_page(group, table, sequence)) {
      const PageCopy copy = table.own(group.pool, sequence.computed_count / options_.page_token_count);
      (group.window ? plan.local_copies : plan.copies).push_back(copy);
    }
    table.grow(group.pool, wanted.end);
  }
}

bool Scheduler::has_pages(const Sequence& sequence) const {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    const PageTable& table = sequence.pages[i];
    const PagesWanted wanted = pages_wanted(group, sequence.token_count, sequence.computed_count);
    int64_t free_count = group.pool.free_count();
    for (int64_t page = table.first(); page < std::min(wanted.first, table.size()); ++page) {
      if (group.pool.reference_count(table[page]) == 1) ++free_count;
    }
    const int64_t copy_count = writes_shared_page(group, table, sequence) ? 1 : 0;
    if (wanted.end - table.size() + copy_count > free_count) return false;
  }
  return true;
}

bool Scheduler::has_place(const Sequence& sequence, int64_t cached_page_count) const {
  const int64_t reserve = growth_reserve();
  for (const Group& group : groups_) {
    const int64_t computed_count = cached_page_count * options_.page_token_count;
    const PagesWanted wanted = pages_wanted(group, sequence.token_count, computed_count);
    int64_t needed = wanted.end - std::max(wanted.first, cached_page_count) + reserve;
    for (int64_t page = wanted.first; page < cached_page_count; ++page) {
      const PageId found = group.pool.find(sequence.prefixes[static_cast<size_t>(page)]).value();
      if (group.pool.reference_count(found) == 0) ++needed;  // counts as free, and will not be
    }
    if (needed > group.pool.free_count()) return false;
  }
  return true;
}

int64_t Scheduler::growth_reserve() const {
  int64_t count = 0;
  for (const Sequence& sequence : running_) {
    const int64_t growth = sequence.token_count_max
                               ? page_count_for(*sequence.token_count_max) - page_count_for(sequence.token_count)
                               : options_.growth_page_count;
    count += std::min(growth, options_.growth_page_count);
  }
  return count;
}

void Scheduler::release_pages(Sequence& sequence) {
  for (size_t i = 0; i < groups_.size(); ++i) sequence.pages[i].release(groups_[i].pool);
}

// CHECKs that the pools are large enough for it alone.
void Scheduler::check_fits(const Sequence& sequence) const {
  for (const Group& group : groups_) {
    const PagesWanted wanted = pages_wanted(group, sequence.token_count_max.value_or(sequence.token_count), 0);
    CHECK(wanted.end - wanted.first <= group.pool.page_count());
  }
}

// --- Prefixes

int64_t Scheduler::cached_page_count(const Sequence& sequence) const {
  // One token must be left, whose row gives the next one.
  int64_t count = std::min<int64_t>((sequence.token_count - 1) / options_.page_token_count,
                                    static_cast<int64_t>(sequence.prefixes.size()));
  const auto has_page = [&](const Group& group, int64_t page) {
    return group.pool.find(sequence.prefixes[static_cast<size_t>(page)]).has_value();
  };
  for (const Group& group : groups_) {
    if (group.window) continue;
    int64_t present = 0;
    while (present < count && has_page(group, present)) ++present;
    count = present;
  }
  for (const Group& group : groups_) {
    if (!group.window) continue;
    int64_t best = 0;
    int64_t run = 0;  // pages up to this one that are there without a gap
    for (int64_t page = 0; page < count; ++page) {
      run = has_page(group, page) ? run + 1 : 0;
      const int64_t end = page + 1;
      if (run >= end - first_page_seen(group, end * options_.page_token_count)) best = end;
    }
    count = best;
  }
  return count;
}

bool Scheduler::is_in_the_making(const Sequence& sequence, int64_t cached_page_count) const {
  const int64_t page = cached_page_count + kPagesWorthWaiting - 1;
  const auto index = static_cast<size_t>(page);
  if ((page + 1) * options_.page_token_count >= sequence.token_count || index >= sequence.prefixes.size()) return false;
  return std::any_of(running_.begin(), running_.end(), [&](const Sequence& other) {
    return other.computed_count <= page * options_.page_token_count && index < other.prefixes.size() &&
           other.prefixes[index] == sequence.prefixes[index];
  });
}

void Scheduler::keep_prefixes(Sequence& sequence, int64_t computed_before) {
  const int64_t end = std::min<int64_t>(sequence.computed_count / options_.page_token_count,
                                        static_cast<int64_t>(sequence.prefixes.size()));
  for (int64_t page = computed_before / options_.page_token_count; page < end; ++page) {
    for (size_t i = 0; i < groups_.size(); ++i) {
      const PageTable& table = sequence.pages[i];
      if (table.holds(page)) groups_[i].pool.keep(table[page], sequence.prefixes[static_cast<size_t>(page)]);
    }
  }
}

int64_t Scheduler::pages_used() const {
  int64_t count = 0;
  for (const Group& group : groups_) count += group.pool.used_count();
  return count;
}

int64_t Scheduler::pages_kept() const {
  int64_t count = 0;
  for (const Group& group : groups_) count += group.pool.kept_count();
  return count;
}

int64_t Scheduler::pages_total() const {
  int64_t count = 0;
  for (const Group& group : groups_) count += group.pool.page_count();
  return count;
}

Scheduler::Sequence& Scheduler::find(SequenceId id) const {
  const auto entry = sequences_.find(id);
  CHECK(entry != sequences_.end());
  return *entry->second;
}

}  // namespace pelton
