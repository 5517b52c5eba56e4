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
