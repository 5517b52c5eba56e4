#include "cli/grammar_options.h"

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/conversation.h"

namespace pelton::cli {
namespace {

constexpr uint64_t kSourceBytesMax = uint64_t{1} << 20;  // the compiler takes no more

}  // namespace

void GrammarOptions::add_to(CLI::App& app) {
  CLI::Option* schema =
      app.add_option("--schema", schema_, "The answer is JSON that this schema allows: its text, or a file's name")
          ->type_name("FILE|TEXT");
  CLI::Option* regex =
      app.add_option("--regex", regex_, "The answer matches this regular expression, all of it")->type_name("REGEX");
  CLI::Option* choice = app.add_option("--choice", choices_, "The answer is this text (may be given again: or that)")
                            ->type_name("TEXT")
                            ->type_size(1)
                            ->allow_extra_args(false);
  CLI::Option* grammar =
      app.add_option("--grammar", grammar_path_, "The answer follows a grammar in Lark's or llama.cpp's form (GBNF)")
          ->type_name("FILE");
  CLI::Option* budget = app.add_option("--reasoning-budget", reasoning_budget_,
                                       "Tokens after which the model's reasoning is ended (<think> … </think>)")
                            ->check(CLI::NonNegativeNumber);
  budget->group("Form of the answer");
  for (CLI::Option* option : {schema, regex, choice, grammar}) option->group("Form of the answer");
  schema->excludes(regex)->excludes(choice)->excludes(grammar);
  regex->excludes(choice)->excludes(grammar);
  choice->excludes(grammar);
}

std::optional<GrammarSource> GrammarOptions::source() const {
  if (schema_) return GrammarSource{GrammarKind::kJsonSchema, read_schema(*schema_)};
  if (regex_) {
    require_utf8(*regex_, "--regex");
    return GrammarSource{GrammarKind::kRegex, *regex_};
  }
  if (grammar_path_) return GrammarSource::grammar(read_file(*grammar_path_, kSourceBytesMax));
  if (choices_.empty()) return std::nullopt;
  for (const std::string& text : choices_) {
    require_utf8(text, "--choice");
    if (text.empty()) throw Error(ErrorCode::kUsage, "--choice: a text must not be empty");
  }
  return GrammarSource::choice(choices_);
}

void GrammarOptions::apply(const ModelBundle& bundle, std::string_view rendered, std::shared_ptr<const Grammar> grammar,
                           GenerationRequest& request) const {
  const std::string_view source = bundle.chat_template != nullptr ? bundle.chat_template->source() : std::string_view();
  try {
    request.reasoning =
        reasoning_options(reasoning_syntax(source, rendered), *bundle.tokenizer, grammar != nullptr, reasoning_budget_);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, "--reasoning-budget: " + error.message());
  }
  request.grammar = std::move(grammar);
}

std::shared_ptr<const Grammar> compile_grammar(Engine& engine, const std::optional<GrammarSource>& source) {
  if (!source) return nullptr;
  try {
    return engine.grammars().compile(*source);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, error.message());
  }
}

std::string read_schema(const std::string& text_or_path) {
  const size_t first = text_or_path.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || text_or_path[first] != '{') return read_file(text_or_path, kSourceBytesMax);
  require_utf8(text_or_path, "--schema");
  return text_or_path;
}

}  // namespace pelton::cli
