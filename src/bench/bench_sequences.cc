#include "bench/bench_sequences.h"

#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace pelton {

BenchSequences::BenchSequences(const Options& options)
    : options_(options),
      pages_each_((options.length + KvLayerCache::kPageTokens - 1) / KvLayerCache::kPageTokens),
      pages_(static_cast<size_t>(pages_each_ * options.sequence_count)) {
  std::iota(pages_.begin(), pages_.end(), static_cast<int32_t>(options.first_page));
}

int64_t BenchSequences::page_count() const { return static_cast<int64_t>(pages_.size()); }

BenchStep BenchSequences::chunk(int64_t sequence, int64_t position, int64_t row_count, bool has_logits) const {
  CHECK(row_count > 0 && position + row_count <= options_.length);
  BenchStep step;
  for (int64_t row = 0; row < row_count; ++row) step.batch.tokens.push_back(token(sequence, position + row));
  step.batch.sequences.push_back({0, row_count, position, pages_of(sequence)});
  if (has_logits) step.batch.logit_rows.push_back(static_cast<int32_t>(row_count - 1));
  step.rows = {{{row_count, position}}, has_logits ? 1 : 0};
  return step;
}

BenchStep BenchSequences::next_tokens(int64_t sequence_count, int64_t position) const {
  CHECK(sequence_count <= options_.sequence_count && position < options_.length);
  BenchStep step;
  step.rows.logit_row_count = sequence_count;
  for (int64_t sequence = 0; sequence < sequence_count; ++sequence) {
    step.batch.tokens.push_back(token(sequence, position));
    step.batch.sequences.push_back({sequence, 1, position, pages_of(sequence)});
    step.batch.logit_rows.push_back(static_cast<int32_t>(sequence));
    step.rows.sequences.push_back({1, position});
  }
  return step;
}

std::span<const int32_t> BenchSequences::pages_of(int64_t sequence) const {
  return std::span(pages_).subspan(static_cast<size_t>(sequence * pages_each_), static_cast<size_t>(pages_each_));
}

int32_t BenchSequences::token(int64_t sequence, int64_t position) const {
  Rng rng(static_cast<uint64_t>(sequence << 32 | position));
  return static_cast<int32_t>(rng.next_below(static_cast<uint64_t>(options_.vocabulary_size)));
}

}  // namespace pelton
