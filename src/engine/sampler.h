// Chooses the next token of one request from a row of logits.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/rng.h"
#include "engine/candidates.h"
#include "engine/dry_penalty.h"
#include "engine/penalties.h"
#include "engine/request.h"
#include "engine/token_rules.h"
#include "ops/largest_rows.h"
#include "ops/logits_row.h"

namespace pelton {

// Memory that samplers use one after the other.
struct SamplerScratch {
  std::vector<float> logits;
  std::vector<float> masked;
  Candidates candidates;
  std::vector<float> rank_buffer;
  std::vector<int32_t> indices;
  std::vector<RankedLogit> ranked;
};

// The largest of a row of logits. Error kInternal: one is NaN or infinite.
LogitsPeak peak_of(std::span<const float> logits);

// A token with its log-probability and those of the `alternative_count` likeliest, by a row of logits [V] of the model
// itself. Error kInternal: a logit is NaN or infinite.
SampledToken score_token(std::span<const float> logits, TokenId token, int64_t alternative_count,
                         SamplerScratch& scratch);

// One for each request. The same parameters, seed, prompt and logits give the same tokens.
class Sampler {
 public:
  // `end_tokens`: what ends the answer, forbidden up to min_tokens. `dry_breakers`: tokens with any of the strings of
  // sampling.dry.breakers. Needed during the call only.
  struct Context {
    std::span<const TokenId> prompt = {};
    std::span<const TokenId> end_tokens = {};
    std::span<const TokenId> dry_breakers = {};
  };
  Sampler(const SamplingParameters& sampling, uint64_t seed, const Context& context);

  // logits: [V], of the model itself; V above every token of the prompt. At temperature 0 the most likely token, of
  // equal ones the lowest id; else exactly one random number is drawn, with XTC two. Error kInternal: a logit is NaN or
  // infinite; kInvalidArgument: no token is left that both `mask` and the request's own rules let through.
  SampledToken sample(std::span<const float> logits, SamplerScratch& scratch, const RowMask& mask = {});

  // How many of a row's largest logits are all that sample() looks at, for this request's parameters; none: it wants
  // the whole row. With a mask: of those that it lets through. Where a few tokens may not come (before min_tokens those
  // that would end the answer, banned ones), as many more, which sample_largest() leaves out.
  static constexpr int64_t kLargestCountMax = 64;
  static constexpr int64_t kForbiddenCountMax = 64;
  std::optional<int64_t> largest_count() const;
  // The same token from these alone, in rank order: at least largest_count() of them, or all of the row. Errors:
  // kInternal where the row, of which only they are given, `is_finite` not; kInvalidArgument: there are none.
  SampledToken sample_largest(std::span<const RankedLogit> largest, bool is_finite, SamplerScratch& scratch);

 private:
  // How many of those that may come it looks at; none: all.
  std::optional<int64_t> wanted_count() const;
  int32_t choose(std::span<const float> logits, LogitsPeak peak, SamplerScratch& scratch);
  int32_t draw(Candidates& candidates);
  int32_t draw_mirostat(Candidates& candidates);
  // Whether anything changes the logits before they are looked at.
  bool adjusts() const { return rules_.is_active() || penalties_.is_active() || dry_.is_active(); }
  void record(TokenId token);

  SamplingParameters sampling_;
  Rng rng_;
  TokenRules rules_;
  Penalties penalties_;
  DryPenalty dry_;
  double surprise_bits_max_;  // mirostat's μ
};

}  // namespace pelton
