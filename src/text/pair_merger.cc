#include "text/pair_merger.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/check.h"

namespace pelton {
namespace {

// Up to here looking at all ranks again is quicker than keeping them in order.
constexpr size_t kShortWordBytesMax = 32;

uint64_t pair_key(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(index_of(left))} << 32 | static_cast<uint32_t>(index_of(right));
}

}  // namespace

PairMerger::PairMerger(const std::array<TokenId, 256>& byte_tokens, size_t merge_count)
    : byte_tokens_(byte_tokens),
      slots_(std::bit_ceil(std::max<size_t>(merge_count + merge_count / 2, 2))),
      shift_(64 - std::countr_zero(slots_.size())) {}

size_t PairMerger::first_index(uint64_t pair) const {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio: Fibonacci hashing (Knuth, volume 3, 6.4)
  return static_cast<size_t>((pair ^ pair >> 29) * kGolden >> shift_);
}

void PairMerger::add(TokenId left, TokenId right, uint32_t rank, TokenId merged) {
  const uint64_t pair = pair_key(left, right);
  size_t index = first_index(pair);
  while (slots_[index].pair != kFree && slots_[index].pair != pair) index = (index + 1) & (slots_.size() - 1);
  slots_[index] = {pair, rank, merged};
}

const PairMerger::Slot* PairMerger::find(TokenId left, TokenId right) const {
  const uint64_t pair = pair_key(left, right);
  for (size_t index = first_index(pair);; index = (index + 1) & (slots_.size() - 1)) {
    if (slots_[index].pair == pair) return &slots_[index];
    if (slots_[index].pair == kFree) return nullptr;
  }
}

uint32_t PairMerger::rank_of(TokenId left, TokenId right) const {
  const Slot* slot = find(left, right);
  return slot == nullptr ? kNoRank : slot->rank;
}

void PairMerger::merge(std::string_view word, Scratch& scratch, std::vector<TokenId>& tokens) const {
  if (word.size() <= kShortWordBytesMax) {
    merge_short(word, tokens);
  } else {
    merge_long(word, scratch, tokens);
  }
}

// One array of tokens, one of what each makes with the next.
void PairMerger::merge_short(std::string_view word, std::vector<TokenId>& tokens) const {
  struct Merge {
    uint32_t rank;
    TokenId merged;
  };
  TokenId parts[kShortWordBytesMax];
  Merge merges[kShortWordBytesMax];
  const auto merge_of = [this](TokenId left, TokenId right) -> Merge {
    const Slot* slot = find(left, right);
    return slot == nullptr ? Merge{kNoRank, {}} : Merge{slot->rank, slot->merged};
  };
  size_t count = 0;
  for (const char byte : word) {
    const TokenId token = byte_tokens_[static_cast<unsigned char>(byte)];
    if (token == kNoToken) continue;
    parts[count++] = token;
    if (count > 1) merges[count - 2] = merge_of(parts[count - 2], token);
  }
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == kNoRank) break;
    parts[best] = merges[best].merged;
    --count;
    for (size_t i = best + 1; i < count; ++i) parts[i] = parts[i + 1];
    for (size_t i = best; i + 1 < count; ++i) merges[i] = merges[i + 1];
    if (best > 0) merges[best - 1] = merge_of(parts[best - 1], parts[best]);
    if (best + 1 < count) merges[best] = merge_of(parts[best], parts[best + 1]);
  }
  tokens.insert(tokens.end(), parts, parts + count);
}

// A list of tokens linked both ways, and a heap of rank and place. A place that was merged meanwhile has another rank
// than its old entries.
void PairMerger::merge_long(std::string_view word, Scratch& scratch, std::vector<TokenId>& tokens) const {
  // No structured binding: Clang 14 captures none.
  std::vector<TokenId>& parts = scratch.tokens;
  std::vector<uint32_t>&ranks = scratch.ranks, &previous = scratch.previous, &next = scratch.next;
  std::vector<uint64_t>& heap = scratch.heap;
  parts.clear();
  for (const char byte : word) {
    const TokenId token = byte_tokens_[static_cast<unsigned char>(byte)];
    if (token != kNoToken) parts.push_back(token);
  }
  const size_t count = parts.size();
  CHECK(count < kNoRank);
  const auto end = static_cast<uint32_t>(count);
  ranks.assign(count, kNoRank);
  previous.resize(count);
  next.resize(count);
  heap.clear();
  const auto heap_entry = [&](uint32_t at) { return uint64_t{ranks[at]} << 32 | at; };
  for (uint32_t at = 0; at < end; ++at) {
    previous[at] = at - 1;  // of the first: no place
    next[at] = at + 1;
  }
  for (uint32_t at = 0; at + 1 < end; ++at) {
    ranks[at] = rank_of(parts[at], parts[at + 1]);
    if (ranks[at] != kNoRank) heap.push_back(heap_entry(at));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto update = [&](uint32_t at) {
    ranks[at] = next[at] == end ? kNoRank : rank_of(parts[at], parts[next[at]]);
    if (ranks[at] == kNoRank) return;
    heap.push_back(heap_entry(at));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const uint64_t best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    const auto at = static_cast<uint32_t>(best);
    if (ranks[at] != best >> 32) continue;
    const uint32_t eaten = next[at];
    parts[at] = find(parts[at], parts[eaten])->merged;
    ranks[eaten] = kNoRank;
    next[at] = next[eaten];
    if (next[at] != end) previous[next[at]] = at;
    update(at);
    if (previous[at] != UINT32_MAX) update(previous[at]);
  }
  for (uint32_t at = 0; at < end; at = next[at]) tokens.push_back(parts[at]);
}

}  // namespace pelton
