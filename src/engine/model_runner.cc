#include "engine/model_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/available_memory.h"
#include "base/log.h"
#include "engine/kv_budget.h"
#include "model/model.h"
#include "ops/executor.h"

namespace pelton {
namespace {

int64_t choose_context_length(const Model& model, const EngineOptions& options) {
  const int64_t longest = model.spec.context_length;
  const int64_t length = options.context_length.value_or(longest);
  if (length < 1 || length > longest) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the context must have between 1 and {} tokens, for which the model was made; got {}",
                            longest, length),
                "context_length");
  }
  return length;
}

ElementType choose_kv_type(const EngineOptions& options) {
  const ElementType type = options.kv_type.value_or(default_kv_type(options.activations));
  if (!is_kv_type(type)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("keys and values can be kept as f32, bf16 or int8, not as {}", element_type_name(type)),
                "kv_type");
  }
  return type;
}

// OpenAI's limit; the pages for one text of a decoder are kept beside those for answers.
constexpr int64_t kDecoderEmbeddingTokensMax = 8192;

int64_t embedding_token_count_max(const Model& model, int64_t context_length) {
  return model.spec.is_encoder ? context_length : std::min(context_length, kDecoderEmbeddingTokensMax);
}

int64_t page_count_for(int64_t token_count) {
  return (token_count + KvLayerCache::kPageTokens - 1) / KvLayerCache::kPageTokens;
}

// Without what there is of memory.
KvDemand kv_demand(const Model& model, const EngineOptions& options, int64_t context_length) {
  const KvPageBytes page_bytes = Decoder::kv_page_bytes(model, choose_kv_type(options));
  const std::optional<int64_t> window = model.graph.window();
  return {.page_bytes = page_bytes.global,
          .local_page_bytes = page_bytes.local,
          .local_page_count_max =
              window ? window_page_count_max(*window, options.step_token_count_max, KvLayerCache::kPageTokens) : 0,
          .sequence_count_max = options.sequence_count_max,
          .page_token_count = KvLayerCache::kPageTokens,
          .context_length = context_length,
          .bytes_max = options.kv_bytes_max};
}

class ModelRunner final : public StepRunner {
 public:
  ModelRunner(std::shared_ptr<const Model> model, int thread_count, const DecoderOptions& options,
              const RunnerLimits& limits)
      : executor_(thread_count), decoder_(executor_, std::move(model), options), limits_(limits) {}

  RunnerLimits limits() const override { return limits_; }
  void copy_pages(std::span<const PageCopy> global, std::span<const PageCopy> local) override {
    for (const PageCopy& copy : global) decoder_.copy_page(index_of(copy.from), index_of(copy.to), false);
    for (const PageCopy& copy : local) decoder_.copy_page(index_of(copy.from), index_of(copy.to), true);
  }
  std::span<const float> step(const StepBatch& batch) override { return decoder_.step(batch); }
  const LargestRows& step_largest(const StepBatch& batch, int64_t count, const RowMaskSource& masks) override {
    return decoder_.step_largest(batch, count, masks);
  }
  std::span<const float> step_hidden(const StepBatch& batch) override {
    return decoder_.model().spec.label_count > 0 ? decoder_.step(batch) : decoder_.step_hidden(batch);
  }
  Executor& executor() override { return executor_; }

 private:
  Executor executor_;
  Decoder decoder_;
  RunnerLimits limits_;
};

}  // namespace

std::unique_ptr<StepRunner> make_model_runner(std::shared_ptr<const Model> model, const EngineOptions& options) {
  const int64_t context_length = choose_context_length(*model, options);
  RunnerLimits limits{.vocabulary_size = model->spec.vocabulary_size,
                      .context_length = context_length,
                      .embedding = {.width = model->spec.label_count > 0 ? model->spec.label_count : model->spec.width,
                                    .token_count_max = embedding_token_count_max(*model, context_length),
                                    .is_bidirectional = model->spec.is_encoder}};
  if (model->spec.is_encoder) {
    const DecoderOptions decoding{.activations = options.activations,
                                  .page_count = 0,
                                  .row_count_max = options.step_token_count_max,
                                  .context_length = context_length};
    return std::make_unique<ModelRunner>(std::move(model), options.thread_count, decoding, limits);
  }
  const std::optional<int64_t> window = model->graph.window();
  KvDemand demand = kv_demand(*model, options, context_length);
  demand.available_bytes = available_memory_bytes();
  KvPageCounts page_counts{};  // for answers, which a classifier does not give
  if (model->spec.label_count == 0) page_counts = kv_page_counts(demand);
  log::info(fmt::format("keys and values: {} pages of {} tokens{}, at most {} MiB", page_counts.global,
                        KvLayerCache::kPageTokens,
                        window ? fmt::format(", {} for layers with a window of {}", page_counts.local, *window) : "",
                        (page_counts.global * demand.page_bytes + page_counts.local * demand.local_page_bytes) >> 20));
  limits.page_count = page_counts.global;
  if (window) limits.local_pages = WindowPages{page_counts.local, *window};
  limits.embedding.page_count = page_count_for(limits.embedding.token_count_max);
  return std::make_unique<ModelRunner>(
      std::move(model), options.thread_count,
      DecoderOptions{.activations = options.activations,
                     .kv_type = choose_kv_type(options),
                     .page_count = page_counts.global + limits.embedding.page_count,
                     .local_page_count = page_counts.local + limits.embedding.page_count,
                     .row_count_max = options.step_token_count_max,
                     .context_length = context_length},
      limits);
}

EngineMemory engine_memory(const Model& model, const EngineOptions& options) {
  EngineMemory memory;
  for (const WeightSpec& weight : model.graph.weights)
    memory.weight_bytes += model.weights.at(weight.name).size_bytes();
  const int64_t context_length = choose_context_length(model, options);
  if (model.spec.is_encoder) return memory;
  const KvDemand demand = kv_demand(model, options, context_length);
  memory.text_bytes =
      page_count_for(embedding_token_count_max(model, context_length)) * (demand.page_bytes + demand.local_page_bytes);
  if (model.spec.label_count > 0) return memory;
  const KvBytes kv = kv_bytes_of_use(demand);
  memory.kv_bytes_min = kv.least;
  memory.kv_bytes_max = kv.most;
  return memory;
}

}  // namespace pelton
