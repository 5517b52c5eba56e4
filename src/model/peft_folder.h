// What PEFT's folders have in common, whatever kind of adapter lies in them.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "io/safetensors.h"

namespace pelton {

inline constexpr std::string_view kPeftConfigFile = "adapter_config.json";
inline constexpr std::string_view kPeftWeightsFile = "adapter_model.safetensors";
inline constexpr std::string_view kPeftPrefix = "base_model.model.";  // of tensors' names
inline constexpr std::string_view kWeightSuffix = ".weight";          // of a module's matrix

// What is written into one.
struct PeftFiles {
  json::object config;
  std::vector<NamedTensor> tensors;
};

[[noreturn]] inline void refuse_peft_option(std::string_view key, std::string_view value) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("adapter_config.json: {} {} is not supported", key, value.substr(0, 100)));
}

// Refuses lists and objects that say what is changed beside the adapter's own numbers, unless they are empty.
inline void refuse_peft_lists(const JsonReader& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const json::value* value = config.value(key);
    const bool is_empty = value == nullptr || (value->is_array() && value->get_array().empty()) ||
                          (value->is_object() && value->get_object().empty());
    if (!is_empty) refuse_peft_option(key, json::serialize(*value));
  }
}

}  // namespace pelton
