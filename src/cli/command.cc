#include "cli/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "base/version.h"
#include "cli/config_file.h"
#include "cli/help_formatter.h"
#include "cli/output.h"
#include "cli/printable.h"

namespace pelton::cli {

std::function<int()> add_run(CLI::App& app);
std::function<int()> add_chat(CLI::App& app);
std::function<int()> add_serve(CLI::App& app);
std::function<int()> add_embed(CLI::App& app);
std::function<int()> add_rerank(CLI::App& app);
std::function<int()> add_classify(CLI::App& app);
std::function<int()> add_key(CLI::App& app);
std::function<int()> add_top(CLI::App& app);
std::function<int()> add_pull(CLI::App& app);
std::function<int()> add_list(CLI::App& app);
std::function<int()> add_rm(CLI::App& app);
std::function<int()> add_inspect(CLI::App& app);
std::function<int()> add_verify(CLI::App& app);
std::function<int()> add_bench(CLI::App& app);
std::function<int()> add_eval(CLI::App& app);
std::function<int()> add_plan(CLI::App& app);
std::function<int()> add_tune(CLI::App& app);
std::function<int()> add_convert(CLI::App& app);
std::function<int()> add_merge(CLI::App& app);
std::function<int()> add_tokenize(CLI::App& app);
std::function<int()> add_render(CLI::App& app);
std::function<int()> add_data(CLI::App& app);

namespace {

constexpr Command kCommands[] = {
    {"run", "Answer one prompt", add_run},
    {"chat", "Talk with a model in the terminal", add_chat},
    {"serve", "Answer OpenAI's HTTP API", add_serve},
    {"embed", "Turn texts into vectors", add_embed},
    {"rerank", "Sort documents by how well they answer", add_rerank},
    {"classify", "Score texts with a classifier or a reward model", add_classify},
    {"key", "Make an API key for pelton serve", add_key},
    {"top", "Show what a server is doing, live", add_top},
    {"pull", "Fetch a model or a data set from a hub", add_pull},
    {"list", "Show which models and data sets are there", add_list},
    {"rm", "Remove models and data sets", add_rm},
    {"inspect", "Show what a model file holds", add_inspect},
    {"verify", "Prove that a model computes what a reference says", add_verify},
    {"bench", "Measure this machine, and models on it", add_bench},
    {"eval", "Measure how good a model is", add_eval},
    {"plan", "Say what work would need, before it is begun", add_plan},
    {"tune", "Finetune a model on data", add_tune},
    {"convert", "Write a model in another format or element type", add_convert},
    {"merge", "Write a model with an adapter in its weights", add_merge},
    {"tokenize", "Turn texts into token ids, and back", add_tokenize},
    {"render", "Write chats as a model's template does", add_render},
    {"data", "Clean, filter and deduplicate data sets", add_data},
};

constexpr const char* kExamples =
    "Examples:\n"
    "  pelton pull hf:HuggingFaceTB/SmolLM2-135M-Instruct\n"
    "  pelton run -m smollm2-135m-instruct-q4_1 \"Why is the sky blue?\"\n"
    "  pelton chat -m model.gguf\n"
    "  pelton serve -m model.gguf --port 8080\n"
    "  pelton COMMAND --help\n";

// In reverse, as CLI11 takes them. A command's file of options is read where it has one.
std::vector<std::string> arguments_of(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (args.empty() || args.front() != command->get_name()) continue;
    std::vector<std::string> own = with_config_file(*command, {args.begin() + 1, args.end()});
    args.resize(1);
    args.insert(args.end(), own.begin(), own.end());
    break;
  }
  std::reverse(args.begin(), args.end());
  return args;
}

// Works before the command line is understood, too: whoever asked for JSON gets the error as JSON.
bool asks_for_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") return true;
  }
  return false;
}

int report(ErrorCode code, const std::string& message, bool as_json, const std::string& hint = {}) {
  fmt::print(stderr, "pelton: error: {}\n{}", valid_utf8(message), hint);
  if (as_json) {
    try {
      print_json(error_to_json(code, message));
    } catch (const Error&) {  // standard output is gone: the line above has said what matters
    }
  }
  return error_code_info(code).exit_code;
}

int report_bad_usage(const CLI::App& app, const CLI::ParseError& error, bool as_json) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "pelton" : "pelton " + chosen.front()->get_name();
  return report(ErrorCode::kUsage, error.what(), as_json, fmt::format("Try '{} --help'.\n", command));
}

int run_guarded(const std::function<int()>& work, bool as_json) {
  try {
    active_isa();  // a wrong PELTON_ISA is bad usage: say so before any work
    return work();
  } catch (...) {
    const Error error = current_error();
    return report(error.code(), error.message(), as_json);
  }
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away (`pelton run … | head -1`) ends the program quietly, even where the parent ignores the
  // signal.
  std::signal(SIGPIPE, SIG_DFL);

  CLI::App app("Run, serve and inspect language models on your own machine.", "pelton");
  app.set_version_flag("--version", fmt::format("pelton {}", kVersion), "Show the version");
  app.set_help_flag("-h,--help", "Show this help");
  app.footer(kExamples);
  app.formatter(std::make_shared<HelpFormatter>());  // commands inherit it
  app.require_subcommand(0, 1);                      // at most one: a prompt may be the name of a command
  std::vector<std::pair<const CLI::App*, std::function<int()>>> works;
  for (const Command& command : kCommands) {
    CLI::App* subcommand = app.add_subcommand(command.name, command.summary);
    works.emplace_back(subcommand, command.add(*subcommand));
  }

  const bool as_json = asks_for_json(argc, argv);
  try {
    app.parse(arguments_of(app, argc, argv));
  } catch (const CLI::Success& asked_for_text) {  // --help, --version
    return app.exit(asked_for_text);
  } catch (const CLI::ParseError& error) {
    return report_bad_usage(app, error, as_json);
  } catch (const Error& error) {  // of a file of options
    return report(ErrorCode::kUsage, error.message(), as_json);
  }
  for (const auto& [subcommand, work] : works) {
    if (subcommand->parsed()) return run_guarded(work, as_json);
  }
  fmt::print(stderr, "{}", app.help());
  return error_code_info(ErrorCode::kUsage).exit_code;
}

}  // namespace pelton::cli
