#include "engine/sampler.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace pelton {
namespace {

[[noreturn]] void throw_not_finite() {
  throw Error(ErrorCode::kInternal,
              "the model computed logits that are no finite numbers; its weights may be damaged "
              "(--activations f32 tells whether fast arithmetic is to blame)");
}

LogitsPeak peak_of(std::span<const float> logits) {
  const std::optional<LogitsPeak> peak = find_peak(logits);
  if (!peak) throw_not_finite();
  return *peak;
}

// Finite even for the smallest temperature: the peak's 0 · infinity would be NaN.
float inverse(double temperature) {
  return static_cast<float>(std::min(1 / temperature, static_cast<double>(std::numeric_limits<float>::max())));
}

}  // namespace

Sampler::Sampler(const SamplingParameters& sampling, uint64_t seed, std::span<const TokenId> prompt)
    : sampling_(sampling), rng_(seed), penalties_(sampling, prompt) {}

SampledToken Sampler::sample(std::span<const float> logits, SamplerScratch& scratch) {
  const LogitsPeak peak = peak_of(logits);
  SampledToken sampled;
  if (penalties_.is_active()) {
    scratch.logits.assign(logits.begin(), logits.end());
    penalties_.apply(scratch.logits);
    sampled.token = TokenId{choose(scratch.logits, peak_of(scratch.logits), scratch)};
    penalties_.record(sampled.token);
  } else {
    sampled.token = TokenId{choose(logits, peak, scratch)};
  }
  if (sampling_.logprobs) add_logprobs(logits, peak, scratch, sampled);
  return sampled;
}

int32_t Sampler::choose(std::span<const float> logits, LogitsPeak peak, SamplerScratch& scratch) {
  if (sampling_.temperature == 0) return peak.index;
  Candidates& candidates = scratch.candidates;
  candidates.assign(logits, peak, inverse(sampling_.temperature));
  if (sampling_.top_k > 0) candidates.keep_top_k(sampling_.top_k);
  return draw(candidates);
}

std::optional<int64_t> Sampler::largest_count() const {
  if (penalties_.is_active() || sampling_.logprobs) return std::nullopt;
  if (sampling_.temperature == 0) return 1;
  const bool is_few = sampling_.top_k > 0 && sampling_.top_k <= kLargestCountMax;
  return is_few ? std::optional(sampling_.top_k) : std::nullopt;
}

SampledToken Sampler::sample_largest(std::span<const RankedLogit> largest, bool is_finite, SamplerScratch& scratch) {
  const std::optional<int64_t> count = largest_count();
  CHECK(count && !largest.empty());
  if (!is_finite) throw_not_finite();
  SampledToken sampled{TokenId{largest.front().id}, {}, {}};
  if (sampling_.temperature == 0) return sampled;
  const size_t kept_count = std::min(largest.size(), static_cast<size_t>(*count));
  scratch.candidates.assign_largest(largest.first(kept_count), inverse(sampling_.temperature));
  sampled.token = TokenId{draw(scratch.candidates)};
  return sampled;
}

int32_t Sampler::draw(Candidates& candidates) {
  candidates.keep_top_p(sampling_.top_p);
  candidates.keep_min_p(sampling_.min_p);
  return candidates.draw(rng_.next_double());
}

void Sampler::add_logprobs(std::span<const float> logits, LogitsPeak peak, SamplerScratch& scratch,
                           SampledToken& sampled) const {
  const double normaliser = log_sum_exp(logits, peak.value);
  const auto logprob = [&](int32_t id) { return static_cast<float>(logits[static_cast<size_t>(id)] - normaliser); };
  sampled.logprob = logprob(index_of(sampled.token));
  const int64_t count = std::min<int64_t>(*sampling_.logprobs, static_cast<int64_t>(logits.size()));
  if (count == 0) return;
  select_largest(logits, count, scratch.rank_buffer, scratch.indices);
  for (const int32_t id : scratch.indices) sampled.alternatives.push_back({TokenId{id}, logprob(id)});
  std::stable_sort(sampled.alternatives.begin(), sampled.alternatives.end(),
                   [](const TokenLogprob& a, const TokenLogprob& b) { return a.logprob > b.logprob; });
}

}  // namespace pelton
