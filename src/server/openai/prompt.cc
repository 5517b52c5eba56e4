#include "server/openai/prompt.h"

#include <fmt/format.h>

#include <limits>

#include "base/error.h"

namespace pelton::openai {
namespace {

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

}  // namespace

std::vector<Prompt> read_prompts(const JsonReader& reader, std::string_view name, size_t count_max) {
  constexpr std::string_view kExpected = "a string, an array of token ids, or an array of those";
  const json::value* prompt = reader.value(name);
  if (prompt == nullptr || !(prompt->is_string() || prompt->is_array())) reader.fail(name, kExpected);
  std::vector<Prompt> prompts;
  if (prompt->is_string()) {
    prompts.emplace_back(std::string(prompt->get_string()));
    return prompts;
  }
  const json::array& items = prompt->get_array();
  if (items.empty()) reader.fail(name, kExpected);
  if (items.front().is_number()) {
    prompts.emplace_back(read_token_ids(items, reader.path_of(name)));
    return prompts;
  }
  if (items.size() > count_max) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {} texts; at most {} in one request", name, items.size(), count_max),
                std::string(name));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", reader.path_of(name), i);
    if (items[i].is_string()) {
      prompts.emplace_back(std::string(items[i].get_string()));
    } else if (items[i].is_array()) {
      prompts.emplace_back(read_token_ids(items[i].get_array(), path));
    } else {
      throw Error(ErrorCode::kInvalidArgument, path + ": expected a string or an array of token ids", path);
    }
  }
  return prompts;
}

}  // namespace pelton::openai
