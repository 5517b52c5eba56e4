// `pelton embed`: texts to vectors.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_text.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/embedding_options.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/text_source.h"
#include "engine/embedding_collector.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "MODEL is an encoder (BERT, MiniLM, ModernBERT) or any model that generates text. Texts come as arguments, as the "
    "lines of\n"
    "--file, or as those of standard input. How a text becomes a vector (pooling, length 1, a prompt before it) is "
    "what "
    "the\n"
    "model's files say: modules.json of sentence-transformers, pooling_type of GGUF. A text that is too long is an "
    "error.\n"
    "\n"
    "Prints one array of numbers a text and line; with --json one object: index, tokens, embedding.\n"
    "\n"
    "Examples:\n"
    "  pelton embed -m all-MiniLM-L6-v2/ \"A sentence.\" \"Another one.\"\n"
    "  pelton embed -m model.gguf --file lines.txt --json > embeddings.jsonl\n"
    "  pelton embed -m model.gguf --pooling mean --dimensions 256 \"A sentence.\"\n";

constexpr size_t kTextsAtOnce = 256;  // computed together, printed together

struct EmbedOptions {
  ModelOptions model;
  EmbeddingOptions embedding;
  std::vector<std::string> texts;
  std::optional<std::string> file;
  std::optional<int64_t> dimensions;
  bool as_json = false;
};

void print(const EmbedOptions& options, size_t index, size_t token_count, const std::vector<float>& embedding) {
  if (options.as_json) {
    print_json({{"index", index}, {"tokens", token_count}, {"embedding", to_json(embedding)}});
  } else {
    print_json(to_json(embedding));
  }
}

int embed_texts(const EmbedOptions& options) {
  TextSource source(options.texts, options.file, "text");
  const LoadedModel loaded = load_model(options.model, options.model.engine_options());
  const EmbeddingSettings settings = options.embedding.settings(loaded.bundle->embedding);
  if (options.dimensions) check_dimensions(settings, *options.dimensions, loaded.engine->embedding_width());
  const InterruptScope interrupt;
  size_t done_count = 0;
  for (std::vector<std::string> texts = source.next(kTextsAtOnce); !texts.empty(); texts = source.next(kTextsAtOnce)) {
    EmbeddingRequest request{
        .inputs = {}, .pooling = settings.pooling, .normalizes = settings.normalizes, .dimensions = options.dimensions};
    std::vector<size_t> token_counts;
    for (const std::string& text : texts) {
      request.inputs.push_back(loaded.bundle->tokenizer->encode(settings.prompt + text, {}));
      token_counts.push_back(request.inputs.back().size());
    }
    std::vector<std::vector<float>> embeddings;
    try {
      embeddings = embed(*loaded.engine, std::move(request), [&] { return interrupt.signal() == 0; });
    } catch (const Error& error) {
      if (interrupt.signal() != 0) return InterruptScope::exit_code(interrupt.signal());
      if (done_count == 0) throw;
      throw Error(error.code(), fmt::format("after {} texts: {}", done_count, error.message()));
    }
    for (size_t i = 0; i < embeddings.size(); ++i) print(options, done_count + i, token_counts[i], embeddings[i]);
    done_count += embeddings.size();
  }
  return 0;
}

}  // namespace

std::function<int()> add_embed(CLI::App& app) {
  const auto options = std::make_shared<EmbedOptions>();
  CLI::Option* texts = app.add_option("text", options->texts, "What to embed, each a text of its own");
  app.add_option("--file", options->file, "A file of texts, one a line")->type_name("FILE")->excludes(texts);
  options->embedding.add_to(app);
  app.add_option("--dimensions", options->dimensions,
                 "Keep so many numbers: of models that were trained for it (Matryoshka)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
      ->group("Embeddings");
  app.add_flag("--json", options->as_json, "Print one JSON object a text");
  options->model.add_to(app);
  app.footer(kNotes);
  return [options] { return embed_texts(*options); };
}

}  // namespace pelton::cli
