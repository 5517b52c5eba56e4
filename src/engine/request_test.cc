#include "engine/request.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pelton {
namespace {

std::string parameter_at_fault(const SamplingParameters& sampling) {
  try {
    validate(sampling);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message().find(error.parameter()), std::string::npos);
    return error.parameter();
  }
}

TEST(Validate, AcceptsDefaultsAndLimits) {
  EXPECT_EQ(parameter_at_fault({}), "");
  EXPECT_EQ(parameter_at_fault({.temperature = 0, .min_p = 1, .frequency_penalty = -2, .presence_penalty = 2}), "");
  EXPECT_EQ(parameter_at_fault({.temperature = 100, .top_p = 1e-12, .max_tokens = 1, .logprobs = 20}), "");
  EXPECT_EQ(parameter_at_fault({.top_k = -1}), "");  // vLLM's clients say "off" so
}

TEST(Validate, NamesTheParameterAtFault) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double bad : {-0.1, 100.1, kNan, kInfinity}) {
    EXPECT_EQ(parameter_at_fault({.temperature = bad}), "temperature") << bad;
  }
  EXPECT_EQ(parameter_at_fault({.top_k = -2}), "top_k");
  for (const double bad : {0.0, -1.0, 1.01, kNan}) EXPECT_EQ(parameter_at_fault({.top_p = bad}), "top_p") << bad;
  for (const double bad : {-0.01, 1.01, kNan}) EXPECT_EQ(parameter_at_fault({.min_p = bad}), "min_p") << bad;
  for (const double bad : {0.0, -1.0, kNan, kInfinity}) {
    EXPECT_EQ(parameter_at_fault({.repetition_penalty = bad}), "repetition_penalty") << bad;
  }
  for (const double bad : {-2.1, 2.1, kNan}) {
    EXPECT_EQ(parameter_at_fault({.frequency_penalty = bad}), "frequency_penalty") << bad;
    EXPECT_EQ(parameter_at_fault({.presence_penalty = bad}), "presence_penalty") << bad;
  }
  EXPECT_EQ(parameter_at_fault({.stops = {"a", ""}}), "stop");
  EXPECT_EQ(parameter_at_fault({.stops = std::vector<std::string>(65, "a")}), "stop");
  EXPECT_EQ(parameter_at_fault({.stops = {std::string(5000, 'a')}}), "stop");
  EXPECT_EQ(parameter_at_fault({.max_tokens = 0}), "max_tokens");
  EXPECT_EQ(parameter_at_fault({.logprobs = 21}), "logprobs");
  EXPECT_EQ(parameter_at_fault({.logprobs = -1}), "logprobs");
  for (const double bad : {-1.0, 101.0, kNan}) {
    EXPECT_EQ(parameter_at_fault({.top_n_sigma = bad}), "top_n_sigma") << bad;
    EXPECT_EQ(parameter_at_fault({.logit_bias = {{TokenId{1}, 0}, {TokenId{1}, bad * 101}}}), "logit_bias") << bad;
  }
  for (const double bad : {0.0, 1.01, kNan}) EXPECT_EQ(parameter_at_fault({.typical_p = bad}), "typical_p") << bad;
  for (const double bad : {-0.1, 1.1, kNan}) {
    EXPECT_EQ(parameter_at_fault({.xtc_probability = bad}), "xtc_probability") << bad;
    EXPECT_EQ(parameter_at_fault({.xtc_threshold = bad}), "xtc_threshold") << bad;
  }
  EXPECT_EQ(parameter_at_fault({.dry = {.multiplier = -1}}), "dry_multiplier");
  EXPECT_EQ(parameter_at_fault({.dry = {.base = 0.9}}), "dry_base");
  EXPECT_EQ(parameter_at_fault({.dry = {.allowed_length = 0}}), "dry_allowed_length");
  EXPECT_EQ(parameter_at_fault({.dry = {.range = -2}}), "dry_penalty_last_n");
  EXPECT_EQ(parameter_at_fault({.dry = {.breakers = {"a", ""}}}), "dry_sequence_breakers");
  EXPECT_EQ(parameter_at_fault({.dry = {.breakers = std::vector<std::string>(65, "a")}}), "dry_sequence_breakers");
  for (const double bad : {0.0, -1.0, kNan}) {
    EXPECT_EQ(parameter_at_fault({.mirostat = MirostatOptions{.target_bits = bad}}), "mirostat_tau") << bad;
    EXPECT_EQ(parameter_at_fault({.mirostat = MirostatOptions{.learning_rate = bad}}), "mirostat_eta") << bad;
  }
  EXPECT_EQ(parameter_at_fault({.banned_tokens = std::vector<TokenId>(20'000)}), "banned_token_ids");
  EXPECT_EQ(parameter_at_fault({.min_tokens = -1}), "min_tokens");
  EXPECT_EQ(parameter_at_fault({.min_tokens = 6, .max_tokens = 5}), "min_tokens");
}

std::string beam_parameter_at_fault(const GenerationRequest& request, size_t answer_count = 1) {
  try {
    validate_beams(request, answer_count);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message().find(error.parameter()), std::string::npos);
    return error.parameter();
  }
}

TEST(ValidateBeams, RefusesWhatSamples) {
  GenerationRequest request;
  request.sampling.temperature = 0.5;
  EXPECT_EQ(beam_parameter_at_fault(request), "") << "without beams";
  request.beams = BeamOptions();
  EXPECT_EQ(beam_parameter_at_fault(request), "temperature");
  const auto with = [&](const SamplingParameters& sampling) {
    request.sampling = sampling;
    return beam_parameter_at_fault(request, 4);
  };
  for (const double neutral : {0.0, 1.0}) EXPECT_EQ(with({.temperature = neutral, .top_k = -1}), "");
  EXPECT_EQ(with({.logit_bias = {{TokenId{1}, 1}}, .stops = {"a"}, .min_tokens = 2, .logprobs = 3}), "");
  EXPECT_EQ(with({.top_k = 5}), "top_k");
  EXPECT_EQ(with({.top_p = 0.9}), "top_p");
  EXPECT_EQ(with({.min_p = 0.1}), "min_p");
  EXPECT_EQ(with({.typical_p = 0.9}), "typical_p");
  EXPECT_EQ(with({.top_n_sigma = 1}), "top_n_sigma");
  EXPECT_EQ(with({.xtc_probability = 0.5}), "xtc_probability");
  EXPECT_EQ(with({.mirostat = MirostatOptions()}), "mirostat");
  EXPECT_EQ(with({.repetition_penalty = 1.1}), "repetition_penalty");
  EXPECT_EQ(with({.frequency_penalty = 1}), "frequency_penalty");
  EXPECT_EQ(with({.presence_penalty = 1}), "presence_penalty");
  EXPECT_EQ(with({.dry = {.multiplier = 1}}), "dry_multiplier");
}

TEST(ValidateBeams, NamesWhatIsOutOfItsDomain) {
  GenerationRequest request;
  const auto with = [&](const BeamOptions& beams, size_t answer_count = 1) {
    request.beams = beams;
    return beam_parameter_at_fault(request, answer_count);
  };
  EXPECT_EQ(with({.width = 64, .length_penalty = -10}, 64), "");
  for (const int64_t bad : {-1, 0, 65}) EXPECT_EQ(with({.width = bad}), "num_beams");
  EXPECT_EQ(with({.width = 3}, 4), "n");
  for (const double bad : {-10.1, 10.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(with({.length_penalty = bad}), "length_penalty") << bad;
  }
}

// Of a vocabulary of ten, in which 9 ends an answer.
std::string token_parameter_at_fault(const SamplingParameters& sampling) {
  const TokenId end{9};
  try {
    validate_tokens(sampling, 10, {&end, 1});
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.parameter();
  }
}

TEST(ValidateTokens, NamesWhatIsOutsideOfTheVocabulary) {
  EXPECT_EQ(token_parameter_at_fault({.logit_bias = {{TokenId{10}, 1}}}), "logit_bias");
  EXPECT_EQ(token_parameter_at_fault({.allowed_tokens = {TokenId{0}, TokenId{-1}}}), "allowed_token_ids");
  EXPECT_EQ(token_parameter_at_fault({.banned_tokens = {TokenId{10}}}), "banned_token_ids");
  EXPECT_EQ(token_parameter_at_fault({.stop_tokens = {TokenId{11}}}), "stop_token_ids");
  EXPECT_EQ(token_parameter_at_fault({.logit_bias = {{TokenId{9}, 1}}, .banned_tokens = {TokenId{0}}}), "");
}

TEST(ValidateTokens, RefusesRulesThatLeaveNothing) {
  std::vector<TokenId> all;
  for (int32_t id = 0; id < 10; ++id) all.push_back(TokenId{id});
  EXPECT_EQ(token_parameter_at_fault({.banned_tokens = all}), "banned_token_ids");
  EXPECT_EQ(token_parameter_at_fault({.allowed_tokens = {TokenId{3}}, .banned_tokens = {TokenId{3}}}),
            "allowed_token_ids");
  EXPECT_EQ(token_parameter_at_fault({.allowed_tokens = {TokenId{9}}}), "");
  EXPECT_EQ(token_parameter_at_fault({.allowed_tokens = {TokenId{9}}, .min_tokens = 1}), "allowed_token_ids");
  EXPECT_EQ(token_parameter_at_fault({.allowed_tokens = {TokenId{9}}, .min_tokens = 1, .ignores_end_tokens = true}),
            "");
}

}  // namespace
}  // namespace pelton
