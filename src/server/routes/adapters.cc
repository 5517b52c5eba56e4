// Adapters of any kind come and go while requests run, in vLLM's form, which calls them LoRA. What may be read is what
// lies in one folder, which whoever started the server named; without it both routes are closed.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "server/http/http_error.h"
#include "server/openai/adapter_request.h"
#include "server/routes/routes.h"

namespace pelton::routes {
namespace {

namespace fs = std::filesystem;

// Error HttpError 403: no folder was named; the caller's key is for some models only; the name is not among them.
void require_permission(const Call& call) {
  if (!call.context.adapter_folder) {
    throw HttpError(403, "forbidden",
                    "this server loads no adapters while it runs; start it with --adapter-folder DIR");
  }
  if (call.caller != nullptr && !call.caller->key().models.empty()) {
    throw HttpError(403, "forbidden", "a key that is for some models only loads and unloads no adapters");
  }
}

// `path`, relative to the folder or within it, links followed. One sentence for all that is not there, or elsewhere:
// nobody learns what lies outside.
fs::path path_in_folder(const fs::path& folder, const std::string& path) {
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  const fs::path found = error ? fs::path() : fs::canonical(root / path, error);
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), found.begin(), found.end());
  if (!error && end == root.end() && found != root) return found;
  throw Error(ErrorCode::kNotFound, fmt::format("lora_path: there is no \"{}\" in the folder of adapters", path),
              "lora_path");
}

Start say(const Call& call, std::string text) {
  return [reply = call.reply, text = std::move(text)]() mutable {
    reply->respond({.body = std::move(text), .content_type = "text/plain; charset=utf-8"});
  };
}

}  // namespace

Start prepare_load_adapter(const Call& call) {
  require_permission(call);
  const openai::AdapterRequest request = openai::parse_adapter_request(call.request.body, true);
  if (call.context.models.has(request.name)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("lora_name: \"{}\" is a model itself", request.name),
                "lora_name");
  }
  call.context.models.first().engine->load_adapter(request.name,
                                                   path_in_folder(*call.context.adapter_folder, request.path));
  log::info(fmt::format("the adapter {} was loaded", request.name));
  return say(call, fmt::format("Success: LoRA adapter '{}' added successfully.", request.name));
}

Start prepare_unload_adapter(const Call& call) {
  require_permission(call);
  const openai::AdapterRequest request = openai::parse_adapter_request(call.request.body, false);
  const int64_t request_count = call.context.models.first().engine->unload_adapter(request.name);
  log::info(fmt::format("the adapter {} was unloaded; {} requests end with it", request.name, request_count));
  return say(call, fmt::format("Success: LoRA adapter '{}' removed successfully.", request.name));
}

}  // namespace pelton::routes
