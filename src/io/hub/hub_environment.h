// Where the hub and its cache are, by the environment variables that huggingface_hub documents.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace pelton {

struct HubEnvironment {
  std::filesystem::path cache;           // HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, …/.cache/huggingface/hub
  std::string endpoint;                  // HF_ENDPOINT without a slash at its end; https://huggingface.co
  bool is_offline = false;               // HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
  std::filesystem::path token_file;      // HF_TOKEN_PATH, HF_HOME/token
  std::optional<std::string> token;      // HF_TOKEN; not read from the file (hub_token() does)
  bool sends_token = true;               // HF_HUB_DISABLE_IMPLICIT_TOKEN
  bool is_quiet = false;                 // HF_HUB_DISABLE_PROGRESS_BARS
  std::chrono::seconds silence_max{30};  // HF_HUB_DOWNLOAD_TIMEOUT: how long a server may send nothing
};

// `variable` gives the value of an environment variable, nothing where it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const char* variable)>;
std::optional<std::string> process_environment(const char* variable);

// Error kInvalidArgument: HF_HUB_DOWNLOAD_TIMEOUT is no number of seconds.
HubEnvironment read_hub_environment(const EnvironmentLookup& variable = process_environment);

// HF_TOKEN, else the first line of the token file (that `hf auth login` writes); nothing where there is none.
// Error kInvalidArgument: it has characters that no token has (it would break the request's header).
std::optional<std::string> hub_token(const HubEnvironment& environment);

}  // namespace pelton
