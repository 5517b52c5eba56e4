#include "io/hub/hub_environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/ascii.h"
#include "base/error.h"
#include "base/file.h"
#include "io/in_quotes.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kDefaultEndpoint = "https://huggingface.co";

bool is_true(const std::optional<std::string>& value) {
  if (!value) return false;
  std::string upper = *value;
  for (char& letter : upper) letter = static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 'a' + 'A' : letter);
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

bool is_name_letter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
         letter == '_';
}

// $NAME and ${NAME} as Python's os.path.expandvars reads them: an unknown one stays as it is.
std::string expand_variables(std::string_view text, const EnvironmentLookup& variable) {
  std::string expanded;
  for (size_t i = 0; i < text.size();) {
    size_t name_begin = i + 1;
    size_t name_end = name_begin;
    size_t end = i;
    if (text[i] == '$' && name_begin < text.size() && text[name_begin] == '{') {
      const size_t brace = text.find('}', ++name_begin);
      if (brace != std::string_view::npos) {
        name_end = brace;
        end = brace + 1;
      }
    } else if (text[i] == '$') {
      while (name_end < text.size() && is_name_letter(text[name_end])) ++name_end;
      end = name_end > name_begin ? name_end : i;
    }
    const auto value = end > i ? variable(std::string(text.substr(name_begin, name_end - name_begin)).c_str())
                               : std::optional<std::string>();
    if (end == i) end = i + 1;
    expanded += value ? *value : std::string(text.substr(i, end - i));
    i = end;
  }
  return expanded;
}

fs::path expand(std::string_view text, const fs::path& user_home, const EnvironmentLookup& variable) {
  std::string path(text);
  if (path == "~" || path.starts_with("~/")) path = user_home.string() + path.substr(1);
  return expand_variables(path, variable);
}

std::chrono::seconds read_timeout(const std::optional<std::string>& text, std::chrono::seconds otherwise) {
  if (!text) return otherwise;
  constexpr int kSecondsMax = 24 * 3600;
  int count = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (error != std::errc() || end != text->data() + text->size() || count < 1 || count > kSecondsMax) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("HF_HUB_DOWNLOAD_TIMEOUT: expected 1 to {} seconds, got {}",
                                                         kSecondsMax, in_quotes(*text)));
  }
  return std::chrono::seconds(count);
}

std::string_view trim(std::string_view text) { return trimmed(text, " \t\r\n"); }

}  // namespace

std::optional<std::string> process_environment(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

HubEnvironment read_hub_environment(const EnvironmentLookup& variable) {
  const fs::path user_home = variable("HOME").value_or("/tmp");
  const auto first_of = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (auto value = variable(name)) return value;
    }
    return std::optional<std::string>();
  };
  HubEnvironment environment;
  const auto cache_home = variable("XDG_CACHE_HOME");
  const auto hub_home = variable("HF_HOME");
  const fs::path home = hub_home     ? expand(*hub_home, user_home, variable)
                        : cache_home ? expand(*cache_home, user_home, variable) / "huggingface"
                                     : user_home / ".cache" / "huggingface";
  const auto cache = first_of({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  environment.cache = cache ? expand(*cache, user_home, variable) : home / "hub";
  const auto token_file = variable("HF_TOKEN_PATH");
  environment.token_file = token_file ? expand(*token_file, user_home, variable) : home / "token";
  environment.token = first_of({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"});
  environment.sends_token = !is_true(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN"));
  environment.endpoint = variable("HF_ENDPOINT").value_or(std::string(kDefaultEndpoint));
  while (environment.endpoint.ends_with('/')) environment.endpoint.pop_back();
  environment.is_offline = is_true(first_of({"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  environment.is_quiet = is_true(variable("HF_HUB_DISABLE_PROGRESS_BARS"));
  environment.silence_max = read_timeout(variable("HF_HUB_DOWNLOAD_TIMEOUT"), environment.silence_max);
  return environment;
}

std::optional<std::string> hub_token(const HubEnvironment& environment) {
  if (!environment.sends_token) return std::nullopt;
  std::string token;
  std::string source = "HF_TOKEN";
  if (environment.token) {
    token = trim(*environment.token);
  } else if (path_exists(environment.token_file)) {
    constexpr uint64_t kTokenBytesMax = 64 << 10;
    source = environment.token_file.string();
    token = trim(read_file(environment.token_file, kTokenBytesMax));
  }
  if (token.empty()) return std::nullopt;
  const auto is_visible = [](char letter) { return letter > 0x20 && letter < 0x7F; };
  if (!std::all_of(token.begin(), token.end(), is_visible)) {  // not quoted: it is a secret
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("the token in {} has spaces or characters that no token has; write it there again", source));
  }
  return token;
}

}  // namespace pelton
