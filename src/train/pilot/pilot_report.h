// What a pilot found, for people and for machines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "train/pilot/pilot_findings.h"
#include "train/pilot/pilot_scores.h"

namespace pelton {

// What a difference comes down to: of losses and of exact answers those that the intervals tell apart from zero. Where
// they contradict each other, or nothing is told, it is unclear.
enum class PilotVerdict : uint8_t { kBetter, kWorse, kUnclear };
std::string_view pilot_verdict_name(PilotVerdict verdict);  // "better"
PilotVerdict pilot_verdict(const PilotDifference& difference);

struct PilotReport {
  std::string model;
  json::object recipe;
  PilotScores scores = {};
  PilotFindings findings = {};  // of these
};

// A sentence or a few for each thing that a user would ask, with what should be doubted.
std::vector<std::string> pilot_sentences(const PilotReport& report);
// A table, and the sentences.
std::string to_text(const PilotReport& report);
json::object to_json(const PilotReport& report);
// A page that needs nothing else.
std::string to_html(const PilotReport& report);

}  // namespace pelton
