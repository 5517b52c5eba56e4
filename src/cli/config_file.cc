#include "cli/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "io/yaml.h"

namespace pelton::cli {
namespace {

constexpr std::string_view kOption = "--config";
constexpr uint64_t kFileBytesMax = uint64_t{1} << 20;

bool is_given(const CLI::Option& option, const std::vector<std::string>& args) {
  return std::any_of(args.begin(), args.end(), [&](const std::string& arg) {
    for (const std::string& name : option.get_lnames()) {
      if (arg == "--" + name || arg.starts_with("--" + name + "=")) return true;
    }
    for (const std::string& name : option.get_snames()) {
      if (arg.starts_with("-" + name)) return true;
    }
    return false;
  });
}

// Absent: a value that no flag can have.
std::optional<std::string> text_of(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_number()) return to_json_text(value);
  return std::nullopt;
}

// As flags say it. Absent: no flag does.
std::optional<std::vector<std::string>> flags_of(const std::string& name, const CLI::Option& option,
                                                 const json::value& value) {
  std::vector<std::string> flags;
  const bool is_switch = option.get_expected_min() == 0;
  if (is_switch != value.is_bool()) return std::nullopt;
  if (is_switch) {
    if (value.get_bool()) flags.push_back(name);
    return flags;
  }
  const json::array values = value.is_array() ? value.get_array() : json::array{value};
  for (const json::value& each : values) {
    const auto text = text_of(each);
    if (!text) return std::nullopt;
    flags.push_back(name + "=" + *text);
  }
  return flags;
}

}  // namespace

void add_config_option(CLI::App& app) {
  app.add_option(std::string(kOption), "YAML file of these options by their names (port: 8080); a flag wins")
      ->type_name("FILE");
}

std::vector<std::string> with_config(const CLI::App& app, std::vector<std::string> args, std::string_view yaml,
                                     const std::string& file_name) {
  const json::value values = parse_yaml(yaml, file_name);
  if (!values.is_object()) {
    throw Error(ErrorCode::kUsage, fmt::format("{}: expected options, one a line, as in port: 8080", file_name));
  }
  const std::vector<std::string> given = args;
  for (const auto& [key, value] : values.get_object()) {
    const std::string name = "--" + std::string(key);
    const auto refuse = [&, key = std::string_view(key)](const std::string& problem) {
      throw Error(ErrorCode::kUsage,
                  fmt::format("{}: line {}: {}: {}", file_name, yaml_line_of_key(yaml, key), key, problem));
    };
    const CLI::Option* option = app.get_option_no_throw(name);
    if (option == nullptr || option == app.get_help_ptr() || name == kOption) {
      refuse(fmt::format("pelton {} has no such option", app.get_name()));
    }
    if (value.is_null() || is_given(*option, given)) continue;
    const auto flags = flags_of(name, *option, value);
    if (!flags)
      refuse(option->get_expected_min() == 0 ? "expected true or false" : "expected a text, a number or a list");
    args.insert(args.end(), flags->begin(), flags->end());
  }
  return args;
}

std::vector<std::string> with_config_file(const CLI::App& app, std::vector<std::string> args) {
  if (app.get_option_no_throw(std::string(kOption)) == nullptr) return args;
  std::optional<std::string> path;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == kOption && i + 1 < args.size()) path = args[i + 1];
    if (args[i].starts_with(std::string(kOption) + "=")) path = args[i].substr(kOption.size() + 1);
  }
  if (!path) return args;
  return with_config(app, std::move(args), read_file(*path, kFileBytesMax), *path);
}

}  // namespace pelton::cli
