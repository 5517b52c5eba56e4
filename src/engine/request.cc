#include "engine/request.h"

#include <fmt/format.h>

#include <limits>
#include <string_view>

#include "engine/token_rules.h"
#include "text/utf8.h"

namespace pelton {
namespace {

[[noreturn]] void fail(std::string_view parameter, std::string_view expected, std::string_view got) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{} must be {}, got {}", parameter, expected, got),
              std::string(parameter));
}

// A NaN fails every comparison, so it must be looked for in this direction.
void expect(bool is_valid, std::string_view parameter, std::string_view expected, double got) {
  if (!is_valid) fail(parameter, expected, fmt::format("{}", got));
}

bool is_between(double value, double min, double max) { return value >= min && value <= max; }

void validate_stops(const std::vector<std::string>& stops) {
  if (stops.size() > SamplingParameters::kStopCountMax) {
    fail("stop", fmt::format("at most {} strings", SamplingParameters::kStopCountMax), fmt::format("{}", stops.size()));
  }
  for (const std::string& stop : stops) {
    if (stop.empty()) fail("stop", "non-empty strings", "an empty one");
    if (stop.size() > SamplingParameters::kStopBytesMax) {
      fail("stop", fmt::format("strings of at most {} bytes", SamplingParameters::kStopBytesMax),
           fmt::format("one of {}", stop.size()));
    }
    if (const std::optional<size_t> position = find_invalid_utf8(stop)) {
      fail("stop", "valid UTF-8", fmt::format("a byte that is not at {}", *position));
    }
  }
}

void validate_dry(const DryOptions& dry) {
  expect(is_between(dry.multiplier, 0, 100), "dry_multiplier", "between 0 and 100", dry.multiplier);
  expect(is_between(dry.base, 1, 10), "dry_base", "between 1 and 10", dry.base);
  if (dry.allowed_length < 1) fail("dry_allowed_length", "at least 1", fmt::format("{}", dry.allowed_length));
  if (dry.range < -1) fail("dry_penalty_last_n", "-1 (all) or more", fmt::format("{}", dry.range));
  if (dry.breakers.size() > SamplingParameters::kDryBreakerCountMax) {
    fail("dry_sequence_breakers", fmt::format("at most {} strings", SamplingParameters::kDryBreakerCountMax),
         fmt::format("{}", dry.breakers.size()));
  }
  for (const std::string& breaker : dry.breakers) {
    if (!breaker.empty() && breaker.size() <= SamplingParameters::kDryBreakerBytesMax) continue;
    fail("dry_sequence_breakers", fmt::format("strings of 1 to {} bytes", SamplingParameters::kDryBreakerBytesMax),
         fmt::format("one of {}", breaker.size()));
  }
}

void validate_mirostat(const MirostatOptions& mirostat) {
  expect(mirostat.target_bits > 0 && mirostat.target_bits <= 100, "mirostat_tau", "above 0 and at most 100",
         mirostat.target_bits);
  expect(mirostat.learning_rate > 0 && mirostat.learning_rate <= 1, "mirostat_eta", "above 0 and at most 1",
         mirostat.learning_rate);
}

void validate_token_lists(const SamplingParameters& sampling) {
  const auto expect_length = [](std::string_view parameter, size_t size) {
    constexpr size_t kMax = SamplingParameters::kTokenListMax;
    if (size > kMax) fail(parameter, fmt::format("at most {} tokens", kMax), fmt::format("{}", size));
  };
  expect_length("logit_bias", sampling.logit_bias.size());
  expect_length("allowed_token_ids", sampling.allowed_tokens.size());
  expect_length("banned_token_ids", sampling.banned_tokens.size());
  expect_length("stop_token_ids", sampling.stop_tokens.size());
  constexpr auto kMax = static_cast<double>(SamplingParameters::kLogitBiasMax);
  for (const LogitBias& bias : sampling.logit_bias) {
    expect(is_between(bias.value, -kMax, kMax), "logit_bias", fmt::format("between {} and {}", -kMax, kMax),
           bias.value);
  }
}

}  // namespace

void validate_tokens(const SamplingParameters& sampling, int64_t vocabulary_size, std::span<const TokenId> end_tokens) {
  const auto expect_known = [&](std::string_view parameter, TokenId token) {
    const int32_t id = index_of(token);
    if (id >= 0 && id < vocabulary_size) return;
    fail(parameter, fmt::format("tokens of the model, 0 to {}", vocabulary_size - 1), fmt::format("{}", id));
  };
  for (const LogitBias& bias : sampling.logit_bias) expect_known("logit_bias", bias.token);
  for (const TokenId token : sampling.allowed_tokens) expect_known("allowed_token_ids", token);
  for (const TokenId token : sampling.banned_tokens) expect_known("banned_token_ids", token);
  for (const TokenId token : sampling.stop_tokens) expect_known("stop_token_ids", token);
  const TokenRules rules(sampling, ending_tokens(sampling, end_tokens));
  if (rules.is_active() && !rules.leaves_any(vocabulary_size)) {
    const bool has_list = !sampling.allowed_tokens.empty();
    throw Error(ErrorCode::kInvalidArgument,
                "allowed and banned tokens and min_tokens leave no token that may be chosen",
                has_list ? "allowed_token_ids" : "banned_token_ids");
  }
}

std::vector<TokenId> ending_tokens(const SamplingParameters& sampling, std::span<const TokenId> end_tokens) {
  std::vector<TokenId> tokens = sampling.stop_tokens;
  if (!sampling.ignores_end_tokens) tokens.insert(tokens.end(), end_tokens.begin(), end_tokens.end());
  return tokens;
}

void validate(const SamplingParameters& sampling) {
  constexpr double kFiniteMax = std::numeric_limits<double>::max();
  using Limits = SamplingParameters;
  expect(is_between(sampling.temperature, 0, Limits::kTemperatureMax), "temperature",
         fmt::format("between 0 and {}", Limits::kTemperatureMax), sampling.temperature);
  if (sampling.top_k < Limits::kTopKOff) {
    fail("top_k", "0 or -1 (off), or more", fmt::format("{}", sampling.top_k));
  }
  expect(sampling.top_p > 0 && sampling.top_p <= 1, "top_p", "above 0 and at most 1", sampling.top_p);
  expect(is_between(sampling.min_p, 0, 1), "min_p", "between 0 and 1", sampling.min_p);
  expect(sampling.repetition_penalty > 0 && sampling.repetition_penalty <= kFiniteMax, "repetition_penalty", "above 0",
         sampling.repetition_penalty);
  const std::string penalty_domain = fmt::format("between {} and {}", -Limits::kPenaltyMax, Limits::kPenaltyMax);
  expect(is_between(sampling.frequency_penalty, -Limits::kPenaltyMax, Limits::kPenaltyMax), "frequency_penalty",
         penalty_domain, sampling.frequency_penalty);
  expect(is_between(sampling.presence_penalty, -Limits::kPenaltyMax, Limits::kPenaltyMax), "presence_penalty",
         penalty_domain, sampling.presence_penalty);
  expect(is_between(sampling.top_n_sigma, 0, 100), "top_n_sigma", "between 0 and 100", sampling.top_n_sigma);
  expect(sampling.typical_p > 0 && sampling.typical_p <= 1, "typical_p", "above 0 and at most 1", sampling.typical_p);
  expect(is_between(sampling.xtc_probability, 0, 1), "xtc_probability", "between 0 and 1", sampling.xtc_probability);
  expect(is_between(sampling.xtc_threshold, 0, 1), "xtc_threshold", "between 0 and 1", sampling.xtc_threshold);
  validate_dry(sampling.dry);
  if (sampling.mirostat) validate_mirostat(*sampling.mirostat);
  validate_token_lists(sampling);
  validate_stops(sampling.stops);
  if (sampling.min_tokens < 0) fail("min_tokens", "0 or more", fmt::format("{}", sampling.min_tokens));
  if (sampling.max_tokens && sampling.min_tokens > *sampling.max_tokens) {
    fail("min_tokens", fmt::format("at most max_tokens ({})", *sampling.max_tokens),
         fmt::format("{}", sampling.min_tokens));
  }
  if (sampling.max_tokens && *sampling.max_tokens < 1) {
    fail("max_tokens", "at least 1", fmt::format("{}", *sampling.max_tokens));
  }
  if (sampling.logprobs && (*sampling.logprobs < 0 || *sampling.logprobs > Limits::kLogprobsMax)) {
    fail("logprobs", fmt::format("between 0 and {}", Limits::kLogprobsMax), fmt::format("{}", *sampling.logprobs));
  }
}

void validate_grammar(const GenerationRequest& request) {
  if (request.grammar == nullptr) return;
  const auto refuse = [](std::string_view parameter) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: not together with a grammar, which alone says where the answer may end", parameter),
                std::string(parameter));
  };
  if (request.sampling.min_tokens > 0) refuse("min_tokens");
  if (request.sampling.ignores_end_tokens) refuse("ignore_eos");
}

void validate_beams(const GenerationRequest& request, size_t answer_count) {
  if (!request.beams) return;
  const BeamOptions& beams = *request.beams;
  constexpr int64_t kWidthMax = BeamOptions::kWidthMax;
  if (beams.width < 1 || beams.width > kWidthMax) {
    fail("num_beams", fmt::format("between 1 and {}", kWidthMax), fmt::format("{}", beams.width));
  }
  if (answer_count > static_cast<size_t>(beams.width)) {
    fail("n", fmt::format("at most the number of beams ({})", beams.width), fmt::format("{}", answer_count));
  }
  constexpr auto kPenaltyMax = static_cast<double>(BeamOptions::kLengthPenaltyMax);
  expect(is_between(beams.length_penalty, -kPenaltyMax, kPenaltyMax), "length_penalty",
         fmt::format("between {} and {}", -kPenaltyMax, kPenaltyMax), beams.length_penalty);
  const auto refuse_if = [](bool is_set, std::string_view parameter) {
    if (!is_set) return;
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: not together with beam search, which follows the model's own probabilities", parameter),
        std::string(parameter));
  };
  const SamplingParameters& sampling = request.sampling;
  // 1 is what leaves probabilities as they are; 0, what others write where nothing is sampled.
  refuse_if(sampling.temperature != 0 && sampling.temperature != 1, "temperature");
  refuse_if(sampling.top_k > 0, "top_k");
  refuse_if(sampling.top_p < 1, "top_p");
  refuse_if(sampling.min_p > 0, "min_p");
  refuse_if(sampling.typical_p < 1, "typical_p");
  refuse_if(sampling.top_n_sigma > 0, "top_n_sigma");
  refuse_if(sampling.xtc_probability > 0, "xtc_probability");
  refuse_if(sampling.mirostat.has_value(), "mirostat");
  refuse_if(sampling.repetition_penalty != 1, "repetition_penalty");
  refuse_if(sampling.frequency_penalty != 0, "frequency_penalty");
  refuse_if(sampling.presence_penalty != 0, "presence_penalty");
  refuse_if(sampling.dry.multiplier > 0, "dry_multiplier");
  refuse_if(request.reasoning && request.reasoning->token_count_max, "reasoning_budget");
  if (request.grammar == nullptr) return;
  throw Error(ErrorCode::kInvalidArgument,
              "response_format: beam search finds no answer of a given form, nor a call of a tool that must come",
              "response_format");
}

std::string_view finish_reason_name(FinishReason reason) { return reason == FinishReason::kStop ? "stop" : "length"; }

}  // namespace pelton
