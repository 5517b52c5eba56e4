// Runs a model for inference: rows of many sequences in one step, keys and values in pages. An encoder has none of
// these: it takes whole sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "ops/attention.h"
#include "ops/executor.h"
#include "ops/largest_rows.h"
#include "ops/linear.h"
#include "tensor/element_type.h"

namespace pelton {

struct Graph;
struct Model;
class PreparedAdapter;

// How keys and values are kept where nobody says: as exactly as the activations are computed.
ElementType default_kv_type(ActivationType activations);

struct DecoderOptions {
  ActivationType activations = ActivationType::kInt8;
  ElementType kv_type = ElementType::kBF16;  // one of kKvTypes
  int64_t page_count = 0;                    // KV pages of KvLayerCache::kPageTokens tokens, shared by all sequences
  std::optional<int64_t> local_page_count = {};  // of layers with a window; none: as many
  int64_t row_count_max = 512;                   // rows of the largest step
  // Tokens of the longest sequence: LongRoPE rotates all by it. None: of the model's context.
  std::optional<int64_t> context_length = {};
  bool fuses = true;  // false: the plain list of layer calls; the same bits, slower
};

// The rows of one step. Sequences lie back to back: sequences[i].row_begin is where the one before ends.
struct StepBatch {
  std::vector<int32_t> tokens;  // [T], each in [0, V)
  // Their pages must cover first_position + row_count. Of an encoder: whole sequences from position 0; pages are not
  // looked at.
  std::vector<AttentionSequence> sequences;
  std::vector<int32_t> logit_rows;        // rows whose logits are wanted, ascending; may be empty
  std::vector<int32_t> token_types = {};  // [T]: which of two texts each belongs to; empty: all the first
  // Of each sequence, its pages in layers with a window; those behind all windows may be anything. Empty: the same as
  // in the others.
  std::vector<std::span<const int32_t>> local_pages = {};
  // Of each sequence, what its rows have beside this base; null: nothing. Empty: nothing for all. Sequences of one
  // adapter that lie back to back are multiplied with it together.
  std::vector<const PreparedAdapter*> adapters = {};
};

// One page over all layers of a kind; 0: there are none.
struct KvPageBytes {
  int64_t global = 0;
  int64_t local = 0;  // with a window

  int64_t total() const { return global + local; }
};

// Told after each layer call of a step: its index in Decoder::graph(), and how long it took.
using CallObserver = std::function<void(size_t call, Duration)>;

// One thread at a time. Nothing is allocated by a step once the largest has been seen.
class Decoder {
 public:
  // `executor` must outlive the decoder. Rearranges weights for the machine (kInt8), so this may take a while.
  Decoder(Executor& executor, std::shared_ptr<const Model> model, const DecoderOptions& options);
  ~Decoder();

  // Computes the step, writes its keys and values into the pages, and gives logits [logit_rows.size(), V], valid until
  // the next step.
  std::span<const float> step(const StepBatch& batch);

  // The same step, but of each of these rows only the `count` >= 1 largest logits, valid until the next step of this
  // kind. Faster: whole rows are not made. Of a row with a mask, those that it lets through; `masks` is asked when the
  // output matrix is about to be computed, if the batch wants rows at all. It may be empty.
  const LargestRows& step_largest(const StepBatch& batch, int64_t count, const RowMaskSource& masks = {});

  // The same step, but what the output matrix would read, [logit_rows.size(), D], valid until the next step. Of an
  // encoder without a head: its logits.
  std::span<const float> step_hidden(const StepBatch& batch);

  // Between steps: page `to` then holds what `from` holds, in all layers with a window, or in all others.
  void copy_page(int32_t from, int32_t to, bool with_window);

  // The list that a step runs.
  const Graph& graph() const;

  // For measuring; an empty one costs nothing.
  void set_observer(CallObserver observer);

  const Model& model() const { return *model_; }
  const DecoderOptions& options() const { return options_; }
  int64_t weight_traffic_bytes() const;  // weights that a step of one row reads
  int64_t kv_bytes() const;
  static KvPageBytes kv_page_bytes(const Model& model, ElementType kv_type);

 private:
  class Impl;
  std::shared_ptr<const Model> model_;
  DecoderOptions options_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
