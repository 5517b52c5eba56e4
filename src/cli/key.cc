// `pelton key`: a new API key for `pelton serve --api-keys`.
#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "cli/command.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "server/access/api_keys.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Prints the key, which is kept nowhere: FILE gets its SHA-256, its name and its limits. A running server reads "
    "FILE\n"
    "again at SIGHUP. To take a key away, delete its entry.\n"
    "\n"
    "Examples:\n"
    "  pelton key keys.json --name team-a\n"
    "  pelton key keys.json --name batch --requests-per-minute 60 --tokens-per-minute 100000 --model demo\n"
    "  pelton serve -m model.gguf --api-keys keys.json\n";

constexpr uint64_t kFileBytesMax = uint64_t{16} << 20;
constexpr int64_t kLimitMax = 1'000'000'000'000;

struct KeyOptions {
  std::filesystem::path file;
  ApiKey key;
  bool as_json = false;
};

int make_key(const KeyOptions& options) {
  std::vector<ApiKey> keys;
  if (std::filesystem::exists(options.file)) keys = parse_api_keys(read_file(options.file, kFileBytesMax));
  for (const ApiKey& known : keys) {
    if (known.name != options.key.name) continue;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} has a key named {} already", options.file.string(), known.name), "name");
  }
  const std::string secret = make_api_key();
  ApiKey key = options.key;
  key.sha256 = sha256_hex(secret);
  keys.push_back(std::move(key));
  replace_file(options.file, to_json_text(api_keys_to_json(keys)) + "\n");
  options.as_json ? print_json({{"name", options.key.name}, {"key", secret}}) : print_text(secret + "\n");
  return 0;
}

}  // namespace

std::function<int()> add_key(CLI::App& app) {
  const auto options = std::make_shared<KeyOptions>();
  ApiKey& key = options->key;
  app.add_option("file", options->file, "File of keys; made where there is none")->required()->type_name("FILE");
  app.add_option("--name", key.name, "Whose key it is: stands in the log")->required()->check(name_problem);
  app.add_option("--model", key.models, "Model that it may ask (may be given several times); none: all")
      ->check(name_problem)
      ->type_size(1)
      ->allow_extra_args(false);
  app.add_option("--requests-per-minute", key.requests_per_minute, "Most requests a minute")
      ->check(CLI::Range(int64_t{1}, kLimitMax));
  app.add_option("--tokens-per-minute", key.tokens_per_minute, "Most tokens a minute, of prompts and answers")
      ->check(CLI::Range(int64_t{1}, kLimitMax));
  app.add_flag("--json", options->as_json, "Print an object with the key");
  app.footer(kNotes);
  return [options] { return make_key(*options); };
}

}  // namespace pelton::cli
