// `pelton classify`: what a classifier says of texts, a reward model of chats.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "cli/text_source.h"
#include "engine/embedding_collector.h"
#include "model/classifier.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "MODEL is a ...ForSequenceClassification: an encoder (BERT, RoBERTa, ModernBERT) or a decoder (Llama, Qwen, Gemma, "
    "…),\n"
    "as reward models are. Texts come as arguments, as the lines of --file, or as those of standard input; with\n"
    "--messages one chat in OpenAI's form is scored, written by the model's template.\n"
    "\n"
    "Prints a line a text: the likeliest label, how likely it is, the text; where there is one label only, its score "
    "as\n"
    "the model gives it. With --json one object a line: index, tokens, label, scores (as the model gives them) and\n"
    "probabilities by label.\n"
    "\n"
    "Examples:\n"
    "  pelton classify -m emotion-classifier/ \"What a day!\" \"Leave me alone.\"\n"
    "  pelton classify -m toxicity/ --file lines.txt --json > scores.jsonl\n"
    "  pelton classify -m reward-model/ --messages chat.json\n";

constexpr size_t kTextsAtOnce = 256;    // computed together, printed together
constexpr size_t kShownBytesMax = 200;  // of a text on a line for people

struct ClassifyOptions {
  ModelOptions model;
  std::vector<std::string> texts;
  std::optional<std::string> file;
  std::optional<std::string> messages_path;
  bool as_json = false;
};

json::object by_label(const ClassifierSettings& classifier, const std::vector<float>& values) {
  json::object object;
  for (size_t i = 0; i < values.size(); ++i) object[classifier.labels[i]] = json_number(values[i]);
  return object;
}

class Classification {
 public:
  Classification(const ClassifyOptions& options, const LoadedModel& loaded) : options_(options), loaded_(loaded) {}

  void score(std::vector<TokenPair> inputs, const std::vector<std::string>& shown) {
    std::vector<size_t> token_counts;
    for (const TokenPair& input : inputs) token_counts.push_back(input.tokens.size());
    const auto scores = classify(*loaded_.engine, {std::move(inputs)}, [this] { return interrupt_.signal() == 0; });
    for (size_t i = 0; i < scores.size(); ++i) print(token_counts[i], scores[i], shown[i]);
  }

  const InterruptScope& interrupt() const { return interrupt_; }
  size_t done_count() const { return done_count_; }

 private:
  void print(size_t token_count, const std::vector<float>& scores, const std::string& shown) {
    const ClassifierSettings& classifier = loaded_.bundle->classifier;
    std::vector<float> probabilities = scores;
    activate(classifier.activation, probabilities);
    const auto best = static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    if (options_.as_json) {
      print_json({{"index", done_count_},
                  {"tokens", token_count},
                  {"label", classifier.labels[best]},
                  {"scores", by_label(classifier, scores)},
                  {"probabilities", by_label(classifier, probabilities)}});
    } else if (scores.size() == 1) {
      print_text(fmt::format("{:.4f}  {}\n", scores.front(), shown));
    } else {
      print_text(fmt::format("{}  {:.4f}  {}\n", one_line(classifier.labels[best], kShownBytesMax), probabilities[best],
                             shown));
    }
    ++done_count_;
  }

  const ClassifyOptions& options_;
  const LoadedModel& loaded_;
  const InterruptScope interrupt_;
  size_t done_count_ = 0;
};

void score_lines(TextSource& source, const ModelBundle& bundle, Classification& classification) {
  for (std::vector<std::string> texts = source.next(kTextsAtOnce); !texts.empty(); texts = source.next(kTextsAtOnce)) {
    std::vector<TokenPair> inputs;
    for (std::string& text : texts) {
      std::vector<TokenId> tokens = bundle.tokenizer->encode(text, {});
      inputs.push_back({tokens, std::vector<int32_t>(tokens.size())});
      text = one_line(text, kShownBytesMax);
    }
    classification.score(std::move(inputs), texts);
  }
}

int classify_texts(const ClassifyOptions& options) {
  std::optional<TextSource> source;
  Conversation conversation;
  if (options.messages_path) {
    conversation = read_conversation(*options.messages_path);
  } else {
    source.emplace(options.texts, options.file, "text");
  }
  const LoadedModel loaded = load_model(options.model, options.model.engine_options());
  if (!loaded.engine->can_classify()) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} is no classifier", loaded.bundle->name), "model");
  }
  Classification classification(options, loaded);
  try {
    if (source) {
      score_lines(*source, *loaded.bundle, classification);
    } else {
      std::vector<TokenId> tokens = encode_conversation(*loaded.bundle, conversation, false, true).tokens;
      classification.score({{tokens, std::vector<int32_t>(tokens.size())}}, {"the chat"});
    }
  } catch (const Error& error) {
    const int signal = classification.interrupt().signal();
    if (signal != 0) return InterruptScope::exit_code(signal);
    if (classification.done_count() == 0) throw;
    throw Error(error.code(), fmt::format("after {} texts: {}", classification.done_count(), error.message()));
  }
  return 0;
}

}  // namespace

std::function<int()> add_classify(CLI::App& app) {
  const auto options = std::make_shared<ClassifyOptions>();
  CLI::Option* texts = app.add_option("text", options->texts, "What to score, each a text of its own");
  CLI::Option* file = app.add_option("--file", options->file, "A file of texts, one a line")->type_name("FILE");
  app.add_option("--messages", options->messages_path, "A file with a chat in OpenAI's form; - is standard input")
      ->type_name("FILE")
      ->excludes(texts)
      ->excludes(file);
  file->excludes(texts);
  app.add_flag("--json", options->as_json, "Print one JSON object a text");
  options->model.add_to(app);
  app.footer(kNotes);
  return [options] { return classify_texts(*options); };
}

}  // namespace pelton::cli
