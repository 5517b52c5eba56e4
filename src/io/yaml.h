// YAML of recipes, read as the JSON value that it stands for: one set of rules for fields then holds for both.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/json.h"

namespace pelton {

// Plain scalars are numbers, booleans and null by YAML's core schema (1.2: `yes` is a string); quoted ones are strings.
// Anchors are resolved, within `limits.bytes_max` of what they unfold to. JSON is YAML, so a JSON file will do.
// Error kInvalidArgument with `what` and the line: broken YAML, a key twice, a key that is no scalar, too deep, too
// large.
json::value parse_yaml(std::string_view text, std::string_view what, const JsonLimits& limits = {});

// Of a text that parse_yaml took: the line, from 1, on which a key of the outermost mapping stands; 0: there is none.
size_t yaml_line_of_key(std::string_view text, std::string_view key);

}  // namespace pelton
