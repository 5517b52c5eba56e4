#include "cli/text_scoring.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "cli/model_options.h"
#include "engine/model_runner.h"
#include "model/model.h"
#include "text/utf8.h"

namespace pelton::cli {
namespace {

constexpr uint64_t kTextBytesMax = uint64_t{256} << 20;
constexpr const char* kOwnWeights = "f32";

void check_can_read(const ModelBundle& bundle, const ChunkOptions& chunks) {
  if (bundle.tokenizer == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} has no tokenizer, so it cannot read text", bundle.path.string()));
  }
  const int64_t context_length = bundle.model->spec.context_length;
  if (chunks.token_count > context_length) {
    throw Error(ErrorCode::kContextTooLong,
                fmt::format("chunks of {} tokens do not fit into the context of {}, which is {}; choose a smaller "
                            "--chunk",
                            chunks.token_count, bundle.name, context_length));
  }
}

std::unique_ptr<StepRunner> make_runner(const ModelBundle& bundle, EngineOptions options, const TextChunks& chunks) {
  options.context_length = chunks.token_count();
  options.step_token_count_max = kEvaluationStepRows;
  return make_model_runner(bundle.model, options);
}

}  // namespace

std::string read_text_to_score(const std::string& path) {
  std::string text = read_file(path, kTextBytesMax);
  if (text.empty())
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} is empty: there is nothing to score", path));
  if (const auto invalid = find_invalid_utf8(text)) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<int64_t>(*invalid), '\n');
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is not UTF-8 text: byte {}, in line {}, cannot stand there", path, *invalid, line));
  }
  return text;
}

ScoringReference load_scoring_reference(const std::string& name, const std::shared_ptr<const ModelBundle>& model) {
  if (name == kOwnWeights) return {name, model};
  ScoringReference reference = {name, require_generator(load_bundle(name))};
  const int64_t wanted = model->model->spec.vocabulary_size;
  const int64_t found = reference.bundle->model->spec.vocabulary_size;
  if (found != wanted) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} cannot be the reference of {}: it has {} tokens, not {}",
                                                         reference.bundle->name, model->name, found, wanted));
  }
  return reference;
}

TextChunks chunks_to_score(const ScoringJob& job, const std::string& text, const ChunkOptions& options) {
  check_can_read(*job.model, options);
  TextChunks chunks(*job.model->tokenizer, text, options);
  if (!job.reference || job.reference->bundle == job.model) return chunks;

  check_can_read(*job.reference->bundle, options);
  const TextChunks others(*job.reference->bundle->tokenizer, text, options);
  if (!std::ranges::equal(chunks.all_tokens(), others.all_tokens())) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} cannot be the reference of {}: its tokenizer cuts this text otherwise",
                            job.reference->bundle->name, job.model->name));
  }
  return chunks;
}

TextScorer::TextScorer(const ScoringJob& job, const TextChunks& chunks)
    : chunks_(chunks), model_(make_runner(*job.model, job.compute, chunks)) {
  if (!job.reference) return;
  EngineOptions exact = job.compute;
  exact.activations = ActivationType::kF32;
  exact.kv_type = ElementType::kF32;
  reference_ = make_runner(*job.reference->bundle, exact, chunks);
}

TextEvaluation TextScorer::score(const std::function<void(const EvaluationProgress&)>& on_progress) {
  return evaluate_text(chunks_, {.model = *model_, .reference = reference_.get()}, on_progress);
}

}  // namespace pelton::cli
