// The bodies of /v1/load_lora_adapter and /v1/unload_lora_adapter, as vLLM's clients send them.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace pelton::openai {

struct AdapterRequest {
  std::string name;  // lora_name
  std::string path;  // lora_path; empty: none was sent
};

// Errors: those of the fields; kInvalidArgument (lora_name is missing; lora_path, where `loads`).
AdapterRequest parse_adapter_request(std::string_view body, bool loads);

// The bodies as JSON schemas.
json::object load_adapter_request_schema();
json::object unload_adapter_request_schema();

}  // namespace pelton::openai
