// `pelton rerank`: documents, those first that answer a question best.
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
#include "engine/ranking.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "MODEL is a reranker: a BERT, RoBERTa, XLM-RoBERTa or ModernBERT with a classifier of one label. Documents come "
    "as\n"
    "arguments, as the lines of --file, or as those of standard input. A document that is too long together with the\n"
    "query is an error.\n"
    "\n"
    "Prints one document a line behind its relevance, the best first; with --json one object a line: index,\n"
    "relevance_score, document.\n"
    "\n"
    "Examples:\n"
    "  pelton rerank -m bge-reranker-base/ --query \"What do pandas eat?\" \"Bamboo.\" \"A red car.\"\n"
    "  pelton rerank -m bge-reranker-base/ --query \"What do pandas eat?\" --file lines.txt --top 5 --json\n";

constexpr size_t kDocumentCountMax = 1 << 20;  // all of them are ranked together
constexpr size_t kDocumentsAtOnce = 256;       // computed together
constexpr size_t kShownBytesMax = 200;         // of a document on a line for people

struct RerankOptions {
  ModelOptions model;
  std::string query;
  std::vector<std::string> documents;
  std::optional<std::string> file;
  std::optional<int64_t> top;
  bool as_json = false;
};

std::vector<std::string> read_documents(const RerankOptions& options) {
  TextSource source(options.documents, options.file, "document");
  std::vector<std::string> documents = source.next(kDocumentCountMax);
  if (documents.empty()) throw Error(ErrorCode::kUsage, "there is no document");
  if (!source.next(1).empty()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("there are more than {} documents", kDocumentCountMax));
  }
  return documents;
}

// Empty: interrupted.
std::vector<float> score(const LoadedModel& loaded, const RerankOptions& options,
                         const std::vector<std::string>& documents, const InterruptScope& interrupt) {
  std::vector<float> scores;
  for (size_t first = 0; first < documents.size(); first += kDocumentsAtOnce) {
    const size_t end = std::min(documents.size(), first + kDocumentsAtOnce);
    const std::vector<std::string> some(documents.begin() + static_cast<ptrdiff_t>(first),
                                        documents.begin() + static_cast<ptrdiff_t>(end));
    try {
      const auto labels = classify(*loaded.engine, reranking_request(*loaded.engine, options.query, some),
                                   [&] { return interrupt.signal() == 0; });
      const std::vector<float> got = relevances(labels, loaded.bundle->classifier.activation);
      scores.insert(scores.end(), got.begin(), got.end());
    } catch (const Error& error) {
      if (interrupt.signal() != 0) return {};
      if (first == 0) throw;
      throw Error(error.code(), fmt::format("after {} documents: {}", first, error.message()));
    }
  }
  return scores;
}

int rerank(const RerankOptions& options) {
  require_utf8(options.query, "the query");
  const std::vector<std::string> documents = read_documents(options);
  const LoadedModel loaded = load_model(options.model, options.model.engine_options());
  require_reranker(*loaded.bundle);
  const InterruptScope interrupt;
  const std::vector<float> scores = score(loaded, options, documents, interrupt);
  if (interrupt.signal() != 0) return InterruptScope::exit_code(interrupt.signal());
  for (const size_t index : ranking(scores, options.top)) {
    if (options.as_json) {
      print_json({{"index", index}, {"relevance_score", scores[index]}, {"document", documents[index]}});
    } else {
      print_text(fmt::format("{:.4f}  {}\n", scores[index], one_line(documents[index], kShownBytesMax)));
    }
  }
  return 0;
}

}  // namespace

std::function<int()> add_rerank(CLI::App& app) {
  const auto options = std::make_shared<RerankOptions>();
  app.add_option("--query", options->query, "What the documents are ranked for")->required();
  CLI::Option* documents = app.add_option("document", options->documents, "What to rank, each a text of its own");
  app.add_option("--file", options->file, "A file of documents, one a line")->type_name("FILE")->excludes(documents);
  app.add_option("--top", options->top, "Show the best so many")->check(CLI::Range(int64_t{1}, int64_t{1} << 24));
  app.add_flag("--json", options->as_json, "Print one JSON object a document");
  options->model.add_to(app);
  app.footer(kNotes);
  return [options] { return rerank(*options); };
}

}  // namespace pelton::cli
