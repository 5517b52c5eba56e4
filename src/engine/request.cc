#include "engine/request.h"

#include <fmt/format.h>

#include <limits>
#include <string_view>

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

}  // namespace

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
  validate_stops(sampling.stops);
  if (sampling.max_tokens && *sampling.max_tokens < 1) {
    fail("max_tokens", "at least 1", fmt::format("{}", *sampling.max_tokens));
  }
  if (sampling.logprobs && (*sampling.logprobs < 0 || *sampling.logprobs > Limits::kLogprobsMax)) {
    fail("logprobs", fmt::format("between 0 and {}", Limits::kLogprobsMax), fmt::format("{}", *sampling.logprobs));
  }
}

std::string_view finish_reason_name(FinishReason reason) { return reason == FinishReason::kStop ? "stop" : "length"; }

}  // namespace pelton
