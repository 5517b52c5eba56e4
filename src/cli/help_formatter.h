// How `--help` looks: CLI11's layout without its lists of what excludes what, which error messages say in time.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace pelton::cli {

class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(kNameColumns);
    label("SUBCOMMAND", "COMMAND");
  }

  // "--activations {int8,f32}", "--threads INT"
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string type = option->get_type_name();  // "TEXT:{int8,f32}", "INT:INT in [1 - 1024]"
    const size_t colon = type.find(':');
    if (colon != std::string::npos) type = type[colon + 1] == '{' ? type.substr(colon + 1) : type.substr(0, colon);
    return type.empty() ? "" : " " + type;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string description = option->get_description();
    if (option->get_required()) description += " (required)";
    if (!option->get_default_str().empty()) description += " (default: " + option->get_default_str() + ")";
    return description;
  }

 private:
  static constexpr size_t kNameColumns = 32;
};

}  // namespace pelton::cli
