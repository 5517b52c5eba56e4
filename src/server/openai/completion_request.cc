#include "server/openai/completion_request.h"

#include <fmt/format.h>

#include <limits>

namespace pelton::openai {
namespace {

using Request = CompletionRequest;

constexpr size_t kPromptCountMax = 128;  // requests that one body may start

std::vector<TokenId> read_token_ids(const json::array& ids, const std::string& path) {
  std::vector<TokenId> tokens;
  tokens.reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const int64_t* id = ids[i].if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      const std::string where = fmt::format("{}[{}]", path, i);
      throw Error(ErrorCode::kInvalidArgument, where + ": expected a token id", where);
    }
    tokens.push_back(static_cast<TokenId>(*id));
  }
  return tokens;
}

// A string, token ids, or an array of either.
void read_prompt(const JsonReader& reader, std::string_view name, Request& request) {
  constexpr std::string_view kExpected = "a string, an array of token ids, or an array of those";
  const json::value* prompt = reader.value(name);
  if (prompt == nullptr || !(prompt->is_string() || prompt->is_array())) reader.fail(name, kExpected);
  if (prompt->is_string()) {
    request.prompts.emplace_back(std::string(prompt->get_string()));
    return;
  }
  const json::array& items = prompt->get_array();
  if (items.empty()) reader.fail(name, kExpected);
  if (items.front().is_number()) {
    request.prompts.emplace_back(read_token_ids(items, reader.path_of(name)));
    return;
  }
  if (items.size() > kPromptCountMax) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} prompts; at most {} in one request", name, items.size(), kPromptCountMax),
                std::string(name));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", reader.path_of(name), i);
    if (items[i].is_string()) {
      request.prompts.emplace_back(std::string(items[i].get_string()));
    } else if (items[i].is_array()) {
      request.prompts.emplace_back(read_token_ids(items[i].get_array(), path));
    } else {
      throw Error(ErrorCode::kInvalidArgument, path + ": expected a string or an array of token ids", path);
    }
  }
}

constexpr Field<Request> kFields[] = {
    other<Request, read_prompt>("prompt"),
    integer<&Request::logprobs>("logprobs", 0, SamplingParameters::kLogprobsMax),
    boolean<&Request::echoes>("echo"),
    boolean<&Request::parses_special>("parse_special"),
    boolean<&Request::adds_special>("add_special_tokens"),
    neutral_only<Request, kOne>("best_of"),
    neutral_only<Request, kEmptyString>("suffix"),
};

}  // namespace

CompletionRequest parse_completion_request(std::string_view body) {
  CompletionRequest request;
  read_generation_request(parse_json(body, "body"), std::span<const Field<Request>>(kFields), request);
  if (request.echoes && request.logprobs) {
    throw Error(ErrorCode::kUnsupported, "echo: not together with logprobs: those of the prompt are not computed",
                "echo");
  }
  return request;
}

}  // namespace pelton::openai
