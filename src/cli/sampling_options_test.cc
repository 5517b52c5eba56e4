#include "cli/sampling_options.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "cli/command.h"

namespace pelton::cli {
namespace {

SamplingParameters parsed(std::vector<std::string> arguments, SamplingParameters defaults = {}) {
  CLI::App app;
  SamplingOptions options;
  options.add_to(app, "0");
  std::reverse(arguments.begin(), arguments.end());  // what CLI11 expects of a vector
  app.parse(arguments);
  return options.parameters(std::move(defaults));
}

TEST(SamplingOptions, LeaveDefaultsThatNobodyTouched) {
  SamplingParameters defaults;
  defaults.temperature = 0.25;
  defaults.top_k = 7;
  const SamplingParameters sampling = parsed({}, defaults);
  EXPECT_EQ(sampling.temperature, 0.25);
  EXPECT_EQ(sampling.top_k, 7);
  EXPECT_FALSE(sampling.seed.has_value());
  EXPECT_FALSE(sampling.max_tokens.has_value());
  EXPECT_FALSE(sampling.ignores_end_tokens);
}

TEST(SamplingOptions, SetEveryParameter) {
  const SamplingParameters sampling = parsed({"--temperature",
                                              "0.5",
                                              "--top-k",
                                              "3",
                                              "--top-p",
                                              "0.9",
                                              "--min-p",
                                              "0.1",
                                              "--repetition-penalty",
                                              "1.1",
                                              "--frequency-penalty",
                                              "-1.5",
                                              "--presence-penalty",
                                              "2",
                                              "--seed",
                                              "18446744073709551615",
                                              "--stop",
                                              "[a,b]",
                                              "--stop",
                                              "-x",
                                              "--max-tokens",
                                              "9",
                                              "--logprobs",
                                              "20",
                                              "--ignore-eos"});
  EXPECT_EQ(sampling.temperature, 0.5);
  EXPECT_EQ(sampling.top_k, 3);
  EXPECT_EQ(sampling.top_p, 0.9);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.repetition_penalty, 1.1);
  EXPECT_EQ(sampling.frequency_penalty, -1.5);
  EXPECT_EQ(sampling.presence_penalty, 2);
  EXPECT_EQ(sampling.seed, UINT64_MAX);
  EXPECT_EQ(sampling.stops, (std::vector<std::string>{"[a,b]", "-x"}));
  EXPECT_EQ(sampling.max_tokens, 9);
  EXPECT_EQ(sampling.logprobs, 20);
  EXPECT_TRUE(sampling.ignores_end_tokens);
}

TEST(SamplingOptions, SetTheRarerParametersToo) {
  const SamplingParameters sampling = parsed({"--typical-p",
                                              "0.8",
                                              "--top-n-sigma",
                                              "1.5",
                                              "--xtc-probability",
                                              "0.5",
                                              "--xtc-threshold",
                                              "0.2",
                                              "--mirostat-tau",
                                              "4",
                                              "--dry-multiplier",
                                              "0.8",
                                              "--dry-base",
                                              "2",
                                              "--dry-allowed-length",
                                              "3",
                                              "--dry-penalty-last-n",
                                              "64",
                                              "--dry-sequence-breakers",
                                              "\n",
                                              "--dry-sequence-breakers",
                                              ",",
                                              "--logit-bias",
                                              "7:-100",
                                              "--logit-bias",
                                              "8:0.5",
                                              "--allowed-token-ids",
                                              "1,2",
                                              "--banned-token-ids",
                                              "3",
                                              "--stop-token-ids",
                                              "5,6",
                                              "--min-tokens",
                                              "3"});
  EXPECT_EQ(sampling.typical_p, 0.8);
  EXPECT_EQ(sampling.top_n_sigma, 1.5);
  EXPECT_EQ(sampling.xtc_probability, 0.5);
  EXPECT_EQ(sampling.xtc_threshold, 0.2);
  ASSERT_TRUE(sampling.mirostat.has_value());
  EXPECT_EQ(sampling.mirostat->target_bits, 4);
  EXPECT_EQ(sampling.mirostat->learning_rate, 0.1);
  EXPECT_EQ(sampling.dry.multiplier, 0.8);
  EXPECT_EQ(sampling.dry.base, 2);
  EXPECT_EQ(sampling.dry.allowed_length, 3);
  EXPECT_EQ(sampling.dry.range, 64);
  EXPECT_EQ(sampling.dry.breakers, (std::vector<std::string>{"\n", ","}));
  EXPECT_EQ(sampling.logit_bias, (std::vector<LogitBias>{{TokenId{7}, -100}, {TokenId{8}, 0.5}}));
  EXPECT_EQ(sampling.allowed_tokens, (std::vector<TokenId>{TokenId{1}, TokenId{2}}));
  EXPECT_EQ(sampling.banned_tokens, (std::vector<TokenId>{TokenId{3}}));
  EXPECT_EQ(sampling.stop_tokens, (std::vector<TokenId>{TokenId{5}, TokenId{6}}));
  EXPECT_EQ(sampling.min_tokens, 3);
}

TEST(SamplingOptions, NameTheOptionThatIsWrong) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"--temperature", "-1"}, "--temperature"},
      {{"--temperature", "nan"}, "--temperature"},
      {{"--top-k", "-2"}, "--top-k"},
      {{"--top-p", "0"}, "--top-p"},
      {{"--top-p", "1.5"}, "--top-p"},
      {{"--min-p", "2"}, "--min-p"},
      {{"--repetition-penalty", "0"}, "--repetition-penalty"},
      {{"--frequency-penalty", "2.5"}, "--frequency-penalty"},
      {{"--presence-penalty", "-3"}, "--presence-penalty"},
      {{"--stop", ""}, "--stop"},
      {{"--stop", "a\xff"}, "--stop"},
      {{"--stop", std::string(SamplingParameters::kStopBytesMax + 1, 'x')}, "--stop"},
      {{"--max-tokens", "0"}, "--max-tokens"},
      {{"--logprobs", "21"}, "--logprobs"},
      {{"--typical-p", "0"}, "--typical-p"},
      {{"--top-n-sigma", "-1"}, "--top-n-sigma"},
      {{"--xtc-probability", "1.5"}, "--xtc-probability"},
      {{"--mirostat-tau", "0"}, "--mirostat-tau"},
      {{"--mirostat-eta", "2"}, "--mirostat-eta"},
      {{"--dry-base", "0.5"}, "--dry-base"},
      {{"--dry-allowed-length", "0"}, "--dry-allowed-length"},
      {{"--dry-sequence-breakers", ""}, "--dry-sequence-breakers"},
      {{"--logit-bias", "7"}, "--logit-bias"},
      {{"--logit-bias", "7:"}, "--logit-bias"},
      {{"--logit-bias", "x:1"}, "--logit-bias"},
      {{"--logit-bias", "7:101"}, "--logit-bias"},
      {{"--min-tokens", "-1"}, "--min-tokens"},
  };
  for (const auto& [arguments, option] : cases) {
    try {
      parsed(arguments);
      ADD_FAILURE() << option << " " << arguments[1] << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_EQ(error.message().rfind(option + ": must be ", 0), 0u) << error.message();
    }
  }
}

TEST(SamplingOptions, TakeMinusOneAsTheServerDoes) { EXPECT_EQ(parsed({"--top-k", "-1"}).top_k, -1); }

TEST(SamplingOptions, TakeNegativeSeedsAsTheServerDoes) {
  EXPECT_EQ(parsed({"--seed", "-1"}).seed, UINT64_MAX);
  EXPECT_EQ(parsed({"--seed", "-9223372036854775808"}).seed, uint64_t{1} << 63);
  EXPECT_EQ(parsed({"--seed", "0"}).seed, 0u);
}

TEST(SamplingOptions, RefuseWhatIsNoNumber) {
  for (const char* option : {"--temperature", "--top-k", "--seed", "--max-tokens", "--logprobs"}) {
    EXPECT_THROW(parsed({option, "many"}), CLI::ParseError) << option;
  }
  EXPECT_THROW(parsed({"--seed", "-9223372036854775809"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--seed", "18446744073709551616"}), CLI::ParseError);
  EXPECT_THROW(parsed({"--seed", ""}), CLI::ParseError);
  EXPECT_THROW(parsed({"--max-tokens", "1.5"}), CLI::ParseError);
}

}  // namespace
}  // namespace pelton::cli
