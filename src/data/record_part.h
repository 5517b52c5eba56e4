// Which part of a record a step looks at.
#pragma once

#include <cstdint>

#include "data/record.h"
#include "data/step_options.h"

namespace pelton::data {

enum class RecordPart : uint8_t { kAnywhere, kAnswers, kQuestions };

// `in`: anywhere, answers, questions.
inline RecordPart part_option(StepOptions& options) {
  return static_cast<RecordPart>(options.choice("in", {"anywhere", "answers", "questions"}));
}

// Whether turns of this role belong to it. A text, which nobody says, is only in the whole.
inline bool holds(RecordPart part, Role role) {
  if (part == RecordPart::kAnywhere) return true;
  return role == (part == RecordPart::kAnswers ? Role::kAssistant : Role::kUser);
}

}  // namespace pelton::data
