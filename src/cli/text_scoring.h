// Scoring a text with a model and, if wanted, with a more exact one beside it: what `pelton eval perplexity` and the
// benchmark's report share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/engine.h"
#include "eval/text_evaluation.h"

namespace pelton::cli {

// Errors: kIo; kInvalidArgument: empty, no UTF-8 (names byte and line).
std::string read_text_to_score(const std::string& path);

// What a model is compared with: its own weights in float32 as they lie in the file ("f32"), or another model in
// float32 (a path or a short name), such as the one that it was quantised from.
struct ScoringReference {
  std::string name;
  std::shared_ptr<const ModelBundle> bundle;
};
// Error: those of load_bundle(); kInvalidArgument: its tokens are others.
ScoringReference load_scoring_reference(const std::string& name, const std::shared_ptr<const ModelBundle>& model);

struct ScoringJob {
  std::shared_ptr<const ModelBundle> model;
  std::optional<ScoringReference> reference;
  EngineOptions compute;  // of the model
};
// The text as the model's tokenizer cuts it. Errors: kUnsupported (it has none), kContextTooLong, kInvalidArgument (the
// text is too short; the reference's tokenizer cuts it otherwise).
TextChunks chunks_to_score(const ScoringJob& job, const std::string& text, const ChunkOptions& options);

// The job's models made ready to run. `chunks` must outlive the scorer.
class TextScorer {
 public:
  TextScorer(const ScoringJob& job, const TextChunks& chunks);

  TextEvaluation score(const std::function<void(const EvaluationProgress&)>& on_progress);

 private:
  const TextChunks& chunks_;
  std::unique_ptr<StepRunner> model_;
  std::unique_ptr<StepRunner> reference_;  // null: none
};

}  // namespace pelton::cli
