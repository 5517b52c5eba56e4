#include "engine/sampler.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/check.h"

namespace pelton {
namespace {

[[noreturn]] void throw_not_finite() {
  throw Error(ErrorCode::kInternal,
              "the model computed logits that are no finite numbers; its weights may be damaged "
              "(--activations f32 tells whether fast arithmetic is to blame)");
}

[[noreturn]] void throw_nothing_left() {
  throw Error(ErrorCode::kInvalidArgument,
              "the grammar and the other rules of the request (allowed and banned tokens) leave no token to go on with",
              "grammar");
}

// `logits`, but for what the mask keeps out.
void apply_mask(std::span<const float> logits, const RowMask& mask, std::vector<float>& masked) {
  masked.assign(logits.size(), TokenRules::kForbidden);
  mask.for_each({0, static_cast<int64_t>(logits.size())},
                [&](int64_t id) { masked[static_cast<size_t>(id)] = logits[static_cast<size_t>(id)]; });
}

// Finite even for the smallest temperature: the peak's 0 · infinity would be NaN.
float inverse(double temperature) {
  return static_cast<float>(std::min(1 / temperature, static_cast<double>(std::numeric_limits<float>::max())));
}

SampledToken scored(std::span<const float> logits, LogitsPeak peak, TokenId token, int64_t alternative_count,
                    SamplerScratch& scratch) {
  const double normaliser = log_sum_exp(logits, peak.value);
  const auto logprob = [&](int32_t id) { return static_cast<float>(logits[static_cast<size_t>(id)] - normaliser); };
  SampledToken sampled{token, logprob(index_of(token)), {}};
  const int64_t count = std::min<int64_t>(alternative_count, static_cast<int64_t>(logits.size()));
  if (count == 0) return sampled;
  select_largest(logits, count, scratch.rank_buffer, scratch.indices);
  for (const int32_t id : scratch.indices) sampled.alternatives.push_back({TokenId{id}, logprob(id)});
  std::stable_sort(sampled.alternatives.begin(), sampled.alternatives.end(),
                   [](const TokenLogprob& a, const TokenLogprob& b) { return a.logprob > b.logprob; });
  return sampled;
}

}  // namespace

LogitsPeak peak_of(std::span<const float> logits) {
  const std::optional<LogitsPeak> peak = find_peak(logits);
  if (!peak) throw_not_finite();
  return *peak;
}

SampledToken score_token(std::span<const float> logits, TokenId token, int64_t alternative_count,
                         SamplerScratch& scratch) {
  SampledToken sampled = scored(logits, peak_of(logits), token, alternative_count, scratch);
  const float own = logits[static_cast<size_t>(index_of(token))];
  sampled.rank = 1 + std::count_if(logits.begin(), logits.end(), [own](float logit) { return logit > own; });
  return sampled;
}

Sampler::Sampler(const SamplingParameters& sampling, uint64_t seed, const Context& context)
    : sampling_(sampling),
      rng_(seed),
      rules_(sampling, context.end_tokens),
      penalties_(sampling, context.prompt),
      dry_(sampling.dry, context.dry_breakers, context.prompt),
      surprise_bits_max_(sampling.mirostat ? 2 * sampling.mirostat->target_bits : 0) {}

SampledToken Sampler::sample(std::span<const float> logits, SamplerScratch& scratch, const RowMask& mask) {
  const LogitsPeak peak = peak_of(logits);
  std::span<const float> adjusted = logits;
  if (adjusts()) {
    scratch.logits.assign(logits.begin(), logits.end());
    if (penalties_.is_active()) penalties_.apply(scratch.logits);
    if (dry_.is_active()) dry_.apply(scratch.logits);
    if (rules_.is_active()) rules_.apply(scratch.logits);  // last: nothing may lift what is forbidden
    adjusted = scratch.logits;
  }
  if (!mask.counts_all()) {
    apply_mask(adjusted, mask, scratch.masked);
    adjusted = scratch.masked;
  }
  const LogitsPeak adjusted_peak = adjusted.data() == logits.data() ? peak : peak_of(adjusted);
  if (adjusted_peak.value == TokenRules::kForbidden) throw_nothing_left();
  SampledToken sampled;
  sampled.token = TokenId{choose(adjusted, adjusted_peak, scratch)};
  record(sampled.token);
  if (sampling_.logprobs) sampled = scored(logits, peak, sampled.token, *sampling_.logprobs, scratch);
  return sampled;
}

int32_t Sampler::choose(std::span<const float> logits, LogitsPeak peak, SamplerScratch& scratch) {
  if (sampling_.temperature == 0) return peak.index;
  Candidates& candidates = scratch.candidates;
  candidates.assign(logits, peak, inverse(sampling_.temperature));
  if (sampling_.top_n_sigma > 0) candidates.keep_top_n_sigma(sampling_.top_n_sigma, TokenRules::kForbidden);
  if (sampling_.mirostat) return draw_mirostat(candidates);
  if (sampling_.top_k > 0) candidates.keep_top_k(sampling_.top_k);
  return draw(candidates);
}

std::optional<int64_t> Sampler::largest_count() const {
  if (penalties_.is_active() || dry_.is_active() || sampling_.logprobs) return std::nullopt;
  const std::optional<int64_t> wanted = wanted_count();
  const std::optional<int64_t> forbidden = rules_.forbidden_count();
  if (!wanted || !forbidden || *forbidden > kForbiddenCountMax) return std::nullopt;
  return *wanted + *forbidden;
}

std::optional<int64_t> Sampler::wanted_count() const {
  if (sampling_.temperature == 0) return 1;
  if (sampling_.top_n_sigma > 0 || sampling_.mirostat) return std::nullopt;
  const bool is_few = sampling_.top_k > 0 && sampling_.top_k <= kLargestCountMax;
  return is_few ? std::optional(sampling_.top_k) : std::nullopt;
}

SampledToken Sampler::sample_largest(std::span<const RankedLogit> largest, bool is_finite, SamplerScratch& scratch) {
  const std::optional<int64_t> count = wanted_count();
  CHECK(count && largest_count());
  if (!is_finite) throw_not_finite();
  if (rules_.is_active()) {
    scratch.ranked.clear();
    std::copy_if(largest.begin(), largest.end(), std::back_inserter(scratch.ranked),
                 [&](const RankedLogit& logit) { return !rules_.forbids(TokenId{logit.id}); });
    largest = scratch.ranked;
  }
  if (largest.empty()) throw_nothing_left();
  SampledToken sampled{TokenId{largest.front().id}, {}, {}};
  if (sampling_.temperature == 0) {
    record(sampled.token);
    return sampled;
  }
  const size_t kept_count = std::min(largest.size(), static_cast<size_t>(*count));
  scratch.candidates.assign_largest(largest.first(kept_count), inverse(sampling_.temperature));
  sampled.token = TokenId{draw(scratch.candidates)};
  record(sampled.token);
  return sampled;
}

void Sampler::record(TokenId token) {
  rules_.record();
  penalties_.record(token);
  dry_.record(token);
}

int32_t Sampler::draw(Candidates& candidates) {
  candidates.keep_typical(sampling_.typical_p);
  candidates.keep_top_p(sampling_.top_p);
  candidates.keep_min_p(sampling_.min_p);
  // Drawn whether or not it comes to pass, so that the second number is the same in both cases.
  if (sampling_.xtc_probability > 0 && rng_.next_double() < sampling_.xtc_probability) {
    candidates.exclude_top_choices(sampling_.xtc_threshold);
  }
  return candidates.draw(rng_.next_double());
}

int32_t Sampler::draw_mirostat(Candidates& candidates) {
  candidates.keep_surprise_at_most(surprise_bits_max_);
  const int32_t id = candidates.draw(rng_.next_double());
  // Of the distribution that it was drawn from.
  const double error = candidates.surprise_bits(id) - sampling_.mirostat->target_bits;
  surprise_bits_max_ -= sampling_.mirostat->learning_rate * error;
  return id;
}

}  // namespace pelton
