// Whose pages are whose: what sequences take and give back, and what the prefix cache keeps.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/scheduler.h"

namespace pelton {
namespace {

// A sequence waits for somebody who is computing its prefix if that saves so many pages: about a small step's rows.
constexpr int64_t kPagesWorthWaiting = 4;

}  // namespace

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

}  // namespace pelton
