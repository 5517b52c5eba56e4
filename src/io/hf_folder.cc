#include "io/hf_folder.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "io/json_file.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

// Generous: the largest published tokenizer.json has about 35 MB, configurations and templates some 100 KB.
constexpr uint64_t kConfigBytesMax = uint64_t{16} << 20;

std::optional<json::object> read_optional_object(const fs::path& path) {
  if (!path_exists(path)) return std::nullopt;
  return read_json_object(path, kConfigBytesMax);
}

[[noreturn]] void fail_template(const fs::path& file, std::string_view expected) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: chat_template: expected {}", file.string(), expected));
}

// A string, or a list of {"name", "template"} of which the one named "default" counts.
std::optional<std::string> template_of(const json::object& object, const fs::path& file) {
  const json::value* found = object.if_contains("chat_template");
  if (found == nullptr || found->is_null()) return std::nullopt;
  if (found->is_string()) return std::string(found->get_string());
  if (!found->is_array()) fail_template(file, "a string or a list");
  for (const json::value& item : found->get_array()) {
    const json::object* named = item.if_object();
    const json::value* name = named == nullptr ? nullptr : named->if_contains("name");
    const json::value* text = named == nullptr ? nullptr : named->if_contains("template");
    if (name == nullptr || !name->is_string() || text == nullptr || !text->is_string()) {
      fail_template(file, "a list of {\"name\": string, \"template\": string}");
    }
    if (name->get_string() == "default") return std::string(text->get_string());
  }
  log::warning(fmt::format("{}: chat_template: none of the {} templates is named \"default\"; none is used",
                           file.string(), found->get_array().size()));
  return std::nullopt;
}

std::optional<std::string> find_chat_template(const HfFolder& folder) {
  if (const fs::path file = folder.path / "chat_template.jinja"; path_exists(file)) {
    return read_file(file, kConfigBytesMax);
  }
  const fs::path own_file = folder.path / "chat_template.json";
  if (const std::optional<json::object> object = read_optional_object(own_file)) {
    if (std::optional<std::string> text = template_of(*object, own_file)) return text;
  }
  if (!folder.tokenizer_config) return std::nullopt;
  return template_of(*folder.tokenizer_config, folder.path / "tokenizer_config.json");
}

}  // namespace

HfFolder read_hf_folder(const fs::path& path) {
  HfFolder folder;
  folder.path = path;
  folder.config = read_json_object(path / "config.json", kConfigBytesMax);
  folder.generation_config = read_optional_object(path / "generation_config.json");
  folder.tokenizer_config = read_optional_object(path / "tokenizer_config.json");
  folder.chat_template = find_chat_template(folder);
  return folder;
}

}  // namespace pelton
