// The options that say what form an answer has; the same for every command that answers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "text/grammar.h"

namespace CLI {
class App;
}

namespace pelton::cli {

class GrammarOptions {
 public:
  // The object must stay where it is until the command line is parsed.
  void add_to(CLI::App& app);

  // What the command line asks for; none: any text. Reads files. Errors: kUsage (an empty choice), those of reading.
  std::optional<GrammarSource> source() const;
  // Makes the request follow `grammar` (null: none), after the reasoning of an answer to this chat; that within its
  // budget. Error kUsage: a budget, and the model doesn't reason.
  void apply(const ModelBundle& bundle, std::string_view rendered, std::shared_ptr<const Grammar> grammar,
             GenerationRequest& request) const;

 private:
  std::optional<std::string> schema_;
  std::optional<std::string> regex_;
  std::vector<std::string> choices_;
  std::optional<std::string> grammar_path_;
  std::optional<int64_t> reasoning_budget_;
};

// Null where there is none. Error kUsage: it can't be enforced, and why.
std::shared_ptr<const Grammar> compile_grammar(Engine& engine, const std::optional<GrammarSource>& source);

// A JSON schema that is given itself (beginning with "{"), or by a file. Errors: those of reading.
std::string read_schema(const std::string& text_or_path);

}  // namespace pelton::cli
