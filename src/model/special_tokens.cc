#include "model/special_tokens.h"

#include "base/error.h"

namespace pelton {

std::string special_token_text(const std::optional<json::object>& tokenizer_config, std::string_view key) {
  if (!tokenizer_config) return "";
  const json::value* value = tokenizer_config->if_contains(key);
  if (value != nullptr && value->is_object()) value = value->get_object().if_contains("content");
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

std::vector<int64_t> end_token_ids(const json::object& config) {
  const json::value* value = JsonReader(config, "config").value("eos_token_id");
  if (value == nullptr) return {};
  std::vector<int64_t> ids;
  const json::array one{*value};
  for (const json::value& token : value->is_array() ? value->get_array() : one) {
    if (!token.is_int64() || token.get_int64() < 0) {
      throw Error(ErrorCode::kCorruptFile,
                  "eos_token_id: expected a token id or a list of them, got " + json::serialize(*value));
    }
    ids.push_back(token.get_int64());
  }
  return ids;
}

}  // namespace pelton
