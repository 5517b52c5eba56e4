// What texts mean, as vectors of a model: for steps that compare records by it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/step_options.h"
#include "model/embedding_settings.h"
#include "ops/linear.h"

namespace pelton::data {

class TextEmbedder {
 public:
  struct Options {
    std::string model;  // as load_bundle() takes it: an encoder, or a decoder, whose hidden states are pooled
    // Of longer texts the first ones count, and at most 64 bytes each; never more than the model takes.
    int64_t token_count_max = 512;
    std::optional<Pooling> pooling;  // none: as the model says
    ActivationType activations = ActivationType::kInt8;
  };
  // Loads the model. Errors: those of load_bundle(); kUnsupported: a model that gives scores, or has no tokenizer.
  explicit TextEmbedder(const Options& options);
  ~TextEmbedder();
  TextEmbedder(TextEmbedder&&) noexcept;
  TextEmbedder& operator=(TextEmbedder&&) noexcept;

  int64_t width() const;
  // [texts][width()], each of length 1, or zeros where a text is nothing but white space. Any thread: texts that
  // several ask for share the model's steps. The same bits on any number of threads, and whatever texts come together.
  // Error kUnsupported: the model gives a vector that has no direction (NaN, infinity, zeros).
  std::vector<float> embed(std::span<const std::string_view> texts) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// By a step's `model`, `tokens_max`, `pooling` and `activations`. Error kInvalidArgument, which names the step's
// option: a wrong value, or a model that cannot be loaded, with the reason.
TextEmbedder make_text_embedder(StepOptions& options);

}  // namespace pelton::data
