// What was promised to those who wait (service-level objectives), and what a scheduler may do without breaking it.
// Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "engine/step_times.h"

namespace pelton {

struct ServiceLevel {
  Duration ttft{};  // submitted → first token, at most
  Duration tpot{};  // from then on, per token, on the mean of an answer
};

// "ttft=500ms,tpot=60ms"; units ms and s. Error kInvalidArgument: anything else.
ServiceLevel parse_service_level(std::string_view text);

// Prompts go on in chunks of at least so many rows, whatever was promised.
inline constexpr int64_t kPromptRowsMin = 16;

// Sequences that may decode together, so that a step with them and the smallest chunk takes at most a token's time. At
// least 1.
int64_t decode_rows_max(const ServiceLevel& level, const StepTimes& times);
// Rows of prompts in a step with so many decode rows, so that it takes at most a token's time: from kPromptRowsMin to
// `most`. Where nobody decodes: `most`.
int64_t prompt_rows_max(const ServiceLevel& level, const StepTimes& times, int64_t decode_rows, int64_t most);
// How long until the last of `prompt_rows` is computed, in chunks of `chunk_rows` beside so many decode rows.
Duration time_to_compute(const StepTimes& times, int64_t prompt_rows, int64_t chunk_rows, int64_t decode_rows);

}  // namespace pelton
