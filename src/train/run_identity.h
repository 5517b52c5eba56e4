// What the result of a training run follows from: the model, the data. Hashes tell accidents apart, not attacks.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/bundle.h"
#include "train/example.h"

namespace pelton {

// 16 hexadecimal digits.
std::string fingerprint_of(std::string_view text);
// Of their tokens, of which of these are learnt, and of labels; not of where they stand.
std::string fingerprint_of(std::span<const Example> examples);

// {"name", "architecture", "bytes"}; of a folder no bytes.
json::object identity_of(const ModelBundle& bundle);

}  // namespace pelton
