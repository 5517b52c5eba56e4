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
}

}  // namespace
}  // namespace pelton
