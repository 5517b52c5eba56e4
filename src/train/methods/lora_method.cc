// LoRA (train/lora.h), and what comes out: PEFT's folder, or the base with the adapter merged.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "train/adapter_method.h"
#include "train/lora.h"

namespace pelton {
namespace {

// What the recipe says must be true of an adapter that is gone on with: the manifest repeats it.
void check_alike(const Adapter& given, const Adapter& wanted) {
  const auto differs = [](const AdapterMatrix& a, const AdapterMatrix& b) {
    return a.weight != b.weight || a.a.shape() != b.a.shape() || std::abs(a.scale - b.scale) > 1e-6F * b.scale ||
           a.is_dora() != b.is_dora();
  };
  for (size_t i = 0; i < std::max(given.matrices.size(), wanted.matrices.size()); ++i) {
    if (i < given.matrices.size() && i < wanted.matrices.size() && !differs(given.matrices[i], wanted.matrices[i])) {
      continue;
    }
    const auto describe = [&](const Adapter& adapter) {
      if (i >= adapter.matrices.size()) return std::string("no more matrices");
      const AdapterMatrix& matrix = adapter.matrices[i];
      return fmt::format("{} with rank {}, scale {:g} and {} DoRA", matrix.weight, matrix.a.shape()[0], matrix.scale,
                         matrix.is_dora() ? "with" : "without");
    };
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("init_adapter has {}, and the recipe's targets, rank, alpha and dora say {}; say there what it has",
                    describe(given), describe(wanted)),
        "init_adapter");
  }
}

Adapter first_adapter(const Model& base, const TuneRecipe& recipe) {
  const Adapter fresh = make_lora(base, {.rank = recipe.rank,
                                         .alpha = recipe.alpha,
                                         .targets = recipe.targets,
                                         .is_rank_stabilised = recipe.rank_stabilised,
                                         .is_dora = recipe.dora,
                                         .start = parse_lora_start(recipe.init),
                                         .seed = static_cast<uint64_t>(recipe.seed)});
  if (!recipe.init_adapter) return fresh;
  Adapter given = read_init_adapter(recipe, base);
  check_alike(given, fresh);
  return given;
}

// What the base has of the new adapter already, negative; none where that is nothing. While the adapter is trained this
// stands beside it, so that the base stays as it lies in its file, quantised or not.
std::optional<Adapter> taken_from_base(const Adapter& adapter, const TuneRecipe& recipe) {
  if (parse_lora_start(recipe.init) == LoraStart::kZero) return std::nullopt;
  return negative_of(adapter);
}

std::shared_ptr<const Model> adapted(const Model& base, const Adapter& adapter, const std::optional<Adapter>& taken,
                                     double dropout) {
  if (!taken) return with_adapter(base, adapter, {.dropout = dropout});
  return with_adapter(*with_adapter(base, *taken, {.tag = ".start"}), adapter, {.dropout = dropout});
}

// What the model multiplies a matrix' rows by, after magnitudes, A and B.
class DoraSizes {
 public:
  DoraSizes(Executor& executor, const Model& base, const Model& model, const AdapterMatrix& matrix)
      : matrix_(matrix),
        row_norms_(executor, base.weights.at(matrix.weight)),
        norms_(static_cast<size_t>(matrix.magnitude.shape()[0])),
        factors_(model.weights.at(matrix.weight + std::string(kDoraFactorSuffix))) {
    update(executor);
  }

  void update(Executor& executor) {
    row_norms_.compute(executor, matrix_, norms_.data());
    for (size_t row = 0; row < norms_.size(); ++row) {
      factors_.mutable_floats()[row] = matrix_.magnitude.floats()[row] / norms_[row];
    }
  }
  const std::vector<float>& norms() const { return norms_; }

 private:
  AdapterMatrix matrix_;  // shares the parameters' memory
  RowNorms row_norms_;
  std::vector<float> norms_;
  Tensor factors_;  // the model's own memory
};

class LoraMethod final : public AdapterMethod {
 public:
  LoraMethod(const std::shared_ptr<const Model>& base, const TuneRecipe& recipe)
      : AdapterMethod(base, recipe),
        adapter_(first_adapter(*base, recipe)),
        taken_(taken_from_base(adapter_, recipe)),
        model_(with_head(adapted(*base, adapter_, taken_, recipe.dropout))),
        b_rate_(recipe.lora_plus_ratio) {
    Executor executor(1);
    for (const AdapterMatrix& matrix : adapter_.matrices) {
      if (matrix.is_dora()) sizes_.emplace_back(executor, *base, *model_, matrix);
    }
  }

  std::shared_ptr<const Model> model() const override { return model_; }
  void parameters_changed(Executor& executor) override {
    for (DoraSizes& sizes : sizes_) sizes.update(executor);
  }
  // As PEFT and the paper (4.3) have it, the rows' lengths count as constants.
  void finish_gradients(std::span<Tensor> gradients) const override {
    if (sizes_.empty()) return;
    size_t next = 0;
    const std::vector<TrainedParameter> all = parameters();
    for (size_t i = 0; i < all.size(); ++i) {
      if (!all[i].weights.front().ends_with(kDoraFactorSuffix)) continue;
      const std::vector<float>& norms = sizes_[next++].norms();
      for (size_t row = 0; row < norms.size(); ++row) gradients[i].mutable_floats()[row] /= norms[row];
    }
  }
  std::vector<TrainedParameter> parameters() const override { return with_head(lora_parameters(adapter_, b_rate_)); }

  std::string write_output(Executor& executor, const std::filesystem::path& base_path,
                           const std::filesystem::path& folder) const override {
    const Adapter adapter = taken_ ? sum_of(adapter_, *taken_) : adapter_;
    std::string note = write_adapter(executor, adapter, base_path, folder);
    if (!taken_ || !note.empty()) return note;
    return fmt::format("an adapter of rank {}: what it has learnt, and minus what it began as",
                       adapter.matrices.front().a.shape()[0]);
  }

 private:
  Adapter adapter_;
  std::optional<Adapter> taken_;
  std::shared_ptr<const Model> model_;
  std::vector<DoraSizes> sizes_;  // of the adapter's matrices, where they have magnitudes
  double b_rate_;
};

}  // namespace

MethodPlan plan_lora_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  // With matrices of the same sizes, for which nothing has to be taken apart.
  TuneRecipe plain = recipe;
  plain.init = "zero";
  const Adapter adapter = first_adapter(*base, plain);
  const std::optional<Adapter> taken = taken_from_base(adapter, recipe);
  MethodPlan plan = plan_adapter_method(*base, adapter, lora_parameters(adapter, 1), recipe);
  if (taken) plan.weight_bytes *= 2;
  if (taken && !recipe.merge) plan.writing_bytes *= 2;
  plan.model = adapted(*base, adapter, taken, recipe.dropout);
  return plan;
}

std::unique_ptr<TrainingMethod> make_lora_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  return std::make_unique<LoraMethod>(base, recipe);
}

}  // namespace pelton
