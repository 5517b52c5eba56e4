#include "server/openai/adapter_request.h"

#include "base/error.h"
#include "server/openai/field.h"
#include "server/openai/field_schema.h"

namespace pelton::openai {
namespace {

constexpr Field<AdapterRequest> kFields[] = {
    string<&AdapterRequest::name>("lora_name"),
    string<&AdapterRequest::path>("lora_path"),
    ignored<AdapterRequest>("lora_int_id"),
};

}  // namespace

AdapterRequest parse_adapter_request(std::string_view body, bool loads) {
  AdapterRequest request = parse_request<AdapterRequest>(body, kFields);
  if (request.name.empty()) throw Error(ErrorCode::kInvalidArgument, "lora_name is missing", "lora_name");
  if (loads && request.path.empty()) throw Error(ErrorCode::kInvalidArgument, "lora_path is missing", "lora_path");
  return request;
}

json::object load_adapter_request_schema() {
  return body_schema({"lora_name", "lora_path"}, std::span<const Field<AdapterRequest>>(kFields));
}

json::object unload_adapter_request_schema() {
  return body_schema({"lora_name"}, std::span<const Field<AdapterRequest>>(kFields));
}

}  // namespace pelton::openai
