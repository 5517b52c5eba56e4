// What a model thinks of a text: perplexity, and the distance to a more exact computation of the same model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "engine/runner.h"
#include "eval/divergence.h"
#include "eval/perplexity.h"
#include "eval/text_chunks.h"

namespace pelton {

struct EvaluatedModels {
  StepRunner& model;
  StepRunner* reference = nullptr;  // over the same vocabulary; null: perplexity only
};

struct ReferenceComparison {
  Perplexity perplexity;  // of the reference
  Divergence divergence;  // of the model from the reference
};

struct TextEvaluation {
  Perplexity perplexity;
  double bits_per_byte = 0;
  std::optional<ReferenceComparison> reference;
};

struct EvaluationProgress {
  int64_t chunks_done = 0;
  int64_t chunk_count = 0;
  double perplexity = 0;  // of what is done
};

// Rows of the largest step. Short chunks share a step, each a sequence of its own; long ones are cut.
inline constexpr int64_t kEvaluationStepRows = 512;

// The runners' contexts must hold a chunk. Calls `on_progress` after each group of chunks, on this thread.
// Errors: kCorruptFile (a token outside the model's vocabulary), kInternal (logits that are no finite numbers: says
// where), and what the runners throw.
TextEvaluation evaluate_text(const TextChunks& chunks, const EvaluatedModels& models,
                             const std::function<void(const EvaluationProgress&)>& on_progress);

}  // namespace pelton
