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
// Places that are kept for clients who run less than their part, at most; so many of theirs rarely come at once.
constexpr int64_t kKeptPlacesMax = 4;
// A prompt of such a client may make a step as long as so many tokens' times. Steps before and after it are shorter for
// that, and where there are several clients a little shorter than they might be. Found on `pelton bench simulate`'s
// machine at 1.3 times its load: a modest client's p95 is 1.6 to 1.8 times what it has alone (3.7 to 4.6 without), for
// 6 to 15 % of the goodput.
constexpr double kModestTokens = 4;
constexpr double kTpotShare = 0.97;
using Milliseconds = std::chrono::duration<double, std::milli>;
// Who asks for less than its part comes first, up to so much: some long prompts with their answers. Beyond it what a
// client did not ask for in time is gone.
constexpr double kCreditService = 4096;
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
                    .chunk_rows_max = arrival.chunk_rows_max,
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
  queue_of(sequence).erase(entry->second);
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
  client.service = std::max(client.service, floor - kCreditService);
  return client;
}

void Scheduler::forget_idle_clients() {
  std::erase_if(clients_, [](const auto& entry) { return entry.second.sequence_count == 0; });
}

bool Scheduler::would_be_late(const Sequence& sequence, int64_t rows_before) const {
  if (!options_.service_level) return false;
  const int64_t chunk_rows = std::max(kPromptRowsMin, budget_of(sequence) - running_count());
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
  step_budget_ = modest_budget_ = options_.step_token_count_max;
  running_count_max_ = options_.sequence_count_max;
  if (!options_.service_level) return;
  const ServiceLevel& level = *options_.service_level;
  running_count_max_ = std::min(running_count_max_, decode_rows_max(level, options_.step_times));
  const auto budget_within = [&](double ms) {
    const ServiceLevel within{level.ttft, std::chrono::duration_cast<Duration>(Milliseconds(ms))};
    return plan.row_count +
           prompt_rows_max(within, options_.step_times, plan.row_count, options_.step_token_count_max - plan.row_count);
  };
  step_budget_ = budget_within(step_ms_max() - debt_ms_);
  modest_budget_ = std::max(step_budget_, budget_within(kModestTokens * milliseconds(level.tpot)));
}

// What a step takes beyond a token's time, those after it make up for.
void Scheduler::settle_debt(const StepPlan& plan) {
  const StepWork work = work_of(plan);
  if (!options_.service_level || work.decode_rows == 0) return;
  const double debt_ms = debt_ms_ + options_.step_times.estimate_ms(work) - step_ms_max();
  debt_ms_ = std::clamp(debt_ms, 0.0, kModestTokens * milliseconds(options_.service_level->tpot));
}

double Scheduler::step_ms_max() const {
  return (clients_.size() > 1 ? kTpotShare : 1) * milliseconds(options_.service_level->tpot);
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
  return is_served_before(a, b);
}

bool Scheduler::is_served_before(const Sequence& a, const Sequence& b) {
  if (a.rank != b.rank) return a.rank < b.rank;
  if (a.client->service != b.client->service) return a.client->service < b.client->service;
  if (a.is_late != b.is_late) return b.is_late;
  return a.number < b.number;
}

bool Scheduler::is_modest(const Sequence& sequence) const {
  const auto client_count = static_cast<int64_t>(clients_.size());
  return client_count > 1 && sequence.client->running_count * client_count < running_count_max_;
}

bool Scheduler::is_place_kept_from(const Sequence& sequence) const {
  const int64_t kept_count = std::clamp<int64_t>(running_count_max_ / 8, 1, kKeptPlacesMax);
  return running_count() > 1 && running_count() + kept_count >= running_count_max_ && clients_.size() > 1 &&
         sequence.client->running_count > 0 && !is_modest(sequence);
}

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

Scheduler::Queue& Scheduler::queue_of(const Sequence& sequence) {
  if (sequence.is_parked) return parked_;
  return sequence.is_running ? running_ : waiting_queue(sequence);
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
  goes_by_age_ = admission_count_ % kPlacesByAge == kPlacesByAge - 1;
  const bool may_join = may_admit(plan);
  if (may_join) make_place_by_rank(plan);
  const size_t yielded_count = plan.preempted.size();
  plan_decoding(plan);
  reckon_with_service_level(plan);
  // Whoever just gave up pages for rule 6 would be the first to come back, into pages that somebody needs.
  if (may_join && plan.preempted.size() == yielded_count) admit(plan);
  plan_prompts(plan);
  while (plan.row_count == 0 && !running_.empty()) replace_resting(plan);
  settle_debt(plan);
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
    if (sequence->rests()) continue;
    // Preemption takes from the end of the list, maybe this very sequence: then nothing comes after it.
    if (!grow_or_preempt(sequence, plan)) return;
    if (sequence->pending_count() == 1) schedule(*sequence, 1, plan);
  }
}

void Scheduler::admit(StepPlan& plan) {
  const bool is_continuous = options_.batching == Batching::kContinuous;
  while (running_count() < running_count_max_) {
    goes_by_age_ = admission_count_ % kPlacesByAge == kPlacesByAge - 1;
    Sequence* sequence = first_in_line();
    if (sequence == nullptr) return;
    // Who has waited longest waits on until there are rows for it, and keeps its turn, but not a modest client with it.
    const bool is_passed = goes_by_age_ && !has_rows_for(*sequence, plan);
    if (is_passed) {
      goes_by_age_ = false;
      sequence = first_in_line();
      if (!is_modest(*sequence)) return;
    }
    if (!has_rows_for(*sequence, plan)) return;
    if (is_continuous && is_place_kept_from(*sequence)) return;
    const int64_t rows_before = prompt_rows_before(*sequence);
    if (rows_before > 0 && would_be_late(*sequence, rows_before) && !is_place_by_age()) return;
    const int64_t cached = cached_page_count(*sequence);
    if (is_continuous && is_in_the_making(*sequence, cached)) {
      sequence->deferred = plan_number_;
      continue;
    }
    if (!has_place(*sequence, cached)) return;
    start(*sequence, cached, plan);
    if (!is_passed) ++admission_count_;
  }
}

int64_t Scheduler::prompt_rows_before(const Sequence& candidate) const {
  const int64_t rank = is_place_by_age() ? 0 : candidate.rank;
  int64_t count = 0;
  for (const Sequence& prompt : running_) {
    if (prompt.planned == plan_number_) continue;
    const bool is_before = prompt.rank != rank ? prompt.rank < rank
                                               : options_.keeps_sequences_whole || is_place_by_age() ||
                                                     is_served_before(prompt, candidate);
    if (is_before) count += prompt.pending_count();
  }
  return count;
}

bool Scheduler::has_rows_for(const Sequence& sequence, const StepPlan& plan) const {
  const int64_t row_count = plan.row_count + prompt_rows_before(sequence);
  if (options_.keeps_sequences_whole) return row_count == 0 || row_count + sequence.token_count <= step_budget_;
  return options_.batching != Batching::kContinuous || row_count < budget_of(sequence);
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
    const int64_t budget_left = budget_of(*sequence) - plan.row_count;
    if (budget_left <= 0) continue;
    const int64_t pending_count = sequence->pending_count();
    const int64_t chunk = std::min({pending_count, budget_left, sequence->chunk_rows_max});
    schedule(*sequence, options_.keeps_sequences_whole ? pending_count : chunk, plan);
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
  victim->is_parked = victim->rests();
  release_pages(*victim);
  victim->computed_count = 0;
  victim->is_running = false;
  --victim->client->running_count;
  victim->waits_since = now_;
  Queue& queue = queue_of(*victim);
  queue.splice(victim->is_parked ? queue.end() : insert_by_age(queue, *victim), running_, victim);
  plan.preempted.push_back(victim->id);
  ++preemption_count_;
}

// All who run rest. A batch of which all rest is over, and the next one waits for no company.
void Scheduler::replace_resting(StepPlan& plan) {
  preempt_last(plan);
  if (options_.batching != Batching::kContinuous && !running_.empty()) return;
  admit(plan);
  plan_prompts(plan);
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
  if (!sequence.is_parked) return;
  sequence.is_parked = false;
  Queue& queue = waiting_queue(sequence);
  queue.splice(insert_by_age(queue, sequence), parked_, sequences_.at(id));
}

void Scheduler::fork(SequenceId parent_id, SequenceId child_id) {
  Sequence& parent = find(parent_id);
  CHECK((parent.is_running || parent.is_parked) && parent.rests() && !contains(child_id));
  Sequence child = parent;
  child.id = child_id;
  child.is_running = child.is_parked = false;
  child.computed_count = 0;
  child.waits_since = now_;
  child.pages = std::vector<PageTable>(groups_.size());
  ++child.client->sequence_count;
  Queue& queue = waiting_queue(child);
  const auto place = queue.insert(insert_by_age(queue, child), std::move(child));
  sequences_.emplace(child_id, place);
  if (!parent.is_running || running_count() == options_.sequence_count_max) return;
  place->computed_count = parent.computed_count;
  for (size_t i = 0; i < groups_.size(); ++i) place->pages[i] = parent.pages[i].fork(groups_[i].pool);
  run(*place);
}

Scheduler::Sequence& Scheduler::find(SequenceId id) const {
  const auto entry = sequences_.find(id);
  CHECK(entry != sequences_.end());
  return *entry->second;
}

}  // namespace pelton
