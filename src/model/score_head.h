// A language model that gives a text one number in place of its next token: a reward model. The output matrix gives way
// to a head [1, D] that reads the last token's hidden state, as transformers' ...ForSequenceClassification does.
#pragma once

#include <memory>
#include <string_view>

#include "model/model.h"

namespace pelton {

// Canonical name of the head's weight.
constexpr std::string_view kScoreHead = "score";

// With a head of zeros, all other weights shared; a model that has such a head already is itself. Errors: kUnsupported
// (an encoder, a family that has no such head), kInvalidArgument (a classifier of several labels).
std::shared_ptr<const Model> with_score_head(const std::shared_ptr<const Model>& base);

}  // namespace pelton
