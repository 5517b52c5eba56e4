// LoRA adapters (Hu et al. 2021, arXiv 2106.09685): W x becomes W x + scale · B (A x) for some of a model's matrices.
// With DoRA (Liu et al. 2024, arXiv 2402.09353) each row of that sum W' is then made as long as a magnitude says:
// W'_n · m_n / |W'_n|; a bias is added after it.
// IA³ (Liu et al. 2022, arXiv 2205.05638) has no matrices: a number for each row of W, or for each column, multiplies
// it.
//
// Applied in one of two ways. Beside the base: the list of layer calls says it, with plain calls for A, B, the scale,
// the sum and the factors, so that inference and training, forwards and backwards, need nothing new; the base's weights
// stay shared and may be quantised. Merged: W + scale · B A in place of W, or W with its rows or columns multiplied, at
// no cost for a token.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "ops/executor.h"
#include "tensor/tensor.h"

namespace pelton {

struct AdapterMatrix {
  std::string weight;     // canonical name of the base's W [N, K]
  Tensor a;               // [R, K], F32
  Tensor b;               // [N, R], F32; rows in the order of the base's
  float scale = 1;        // alpha / R, or alpha / √R with rank-stabilised LoRA (Kalajdzievski 2023, arXiv 2312.03732)
  Tensor magnitude = {};  // [N], F32, of DoRA; empty: it is LoRA alone

  bool is_dora() const { return !magnitude.is_empty(); }
};

enum class ScaledAxis : bool {
  kRows,     // with the bias, if there is one: what comes out of the matrix is multiplied
  kColumns,  // what goes into it is: PEFT's feedforward modules
};
struct AdapterScaling {
  std::string weight;  // canonical name of the base's W [N, K]
  ScaledAxis axis = ScaledAxis::kRows;
  Tensor factors;  // [N] or [K], F32; rows in the order of the base's
};

// LoRA's matrices, or IA³'s factors: no weight is changed by both.
struct Adapter {
  std::vector<AdapterMatrix> matrices = {};  // by the order of the base's weights, likewise below
  std::vector<AdapterScaling> scalings = {};

  bool is_ia3() const { return !scalings.empty(); }
  int64_t changed_count() const { return static_cast<int64_t>(matrices.size() + scalings.size()); }
};

// The bias that linear layers add with this matrix; empty: none.
std::string bias_of(const Model& base, std::string_view weight);

// `path` is PEFT's folder (adapter_config.json, adapter_model.safetensors) or a GGUF file of LoRA whose
// `general.type` is "adapter", whatever kind of file the base came from. Where the base's file has several weights in
// one tensor, each gets A and its rows of B. Errors: kNotFound; kCorruptFile (A without B, shapes or ranks that do not
// fit the base or the configuration); kUnsupported, by name: kinds of adapters other than LoRA and IA³, options beyond
// these (trained biases or whole modules, initialisations that change the base), tensors of no matrix of the base (the
// embedding table), weights in pickles.
Adapter read_adapter(const std::filesystem::path& path, const Model& base);

// PEFT's folder, which appears whole or not at all. Errors: kIo; kInvalidArgument (the folder is there); kUnsupported
// (transformers has no name for the family; weights of one tensor with different A, or columns' factors).
void write_peft_adapter(const std::filesystem::path& folder, const Adapter& adapter, const Model& base);
// The same into a folder that is there. dropout: what PEFT's configuration says of it.
void write_peft_files(const std::filesystem::path& folder, const Adapter& adapter, const Model& base,
                      double dropout = 0);
// A GGUF file for llama.cpp. Errors: kIo; kUnsupported (likewise; matrices with different alpha, of which the file
// holds one; DoRA; IA³).
void write_gguf_adapter(const std::filesystem::path& file, const Adapter& adapter, const Model& base);

// Lengths of the rows of W + scale · B A, whatever type W has.
class RowNorms {
 public:
  RowNorms(Executor& executor, const Tensor& weight);
  // Of A and B as they are now: `norms` [N].
  void compute(Executor& executor, const AdapterMatrix& matrix, float* norms) const;

 private:
  Tensor weight_;
  std::vector<double> squares_;  // of W's rows
};

// m / |W + scale · B A|, a number for each row [N], of a matrix with DoRA.
Tensor dora_factors(Executor& executor, const Tensor& weight, const AdapterMatrix& matrix);

struct BesideOptions {
  double dropout = 0;         // share of what A reads that is dropped while training
  std::string_view tag = {};  // ".start": sets one adapter's weights apart from another's of the same matrices
};
// The base with the adapter beside it. A and B are weights of the new model: canonical names are W's with the tag and
// ".lora_a" and ".lora_b", of DoRA what m / |W'| is now, [N], with ".dora_factor", and of IA³ the factors, with ".ia3".
// Shares the base's weights.
std::shared_ptr<const Model> with_adapter(const Model& base, const Adapter& adapter, const BesideOptions& options = {});
// One adapter that does what the two do beside each other: ranks add up. Both are LoRA without DoRA, and matrices are
// the same.
Adapter sum_of(const Adapter& first, const Adapter& second);
// The base with the adapter merged: weights get their old type, rounded. Error kUnsupported: one is in blocks, which
// would round the adapter away.
std::shared_ptr<const Model> merge_adapter(Executor& executor, const Model& base, const Adapter& adapter);

// The weights that the adapter changes, changed, in F32, whatever their type: for who writes them.
struct MergedWeights {
  std::map<std::string, Tensor> weights;  // by canonical name
  double change = 0;                      // √(Σ(merged - base)² / Σ base²) over these
};
MergedWeights merged_weights(Executor& executor, const Model& base, const Adapter& adapter);

}  // namespace pelton
