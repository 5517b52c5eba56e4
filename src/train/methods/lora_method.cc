// LoRA (train/lora.h), and what comes out: PEFT's folder, or the base with the adapter merged.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "model/convert.h"
#include "train/lora.h"
#include "train/method.h"

namespace pelton {
namespace {

// What the recipe says must be true of an adapter that is gone on with: the manifest repeats it.
void check_alike(const Adapter& given, const Adapter& wanted) {
  const auto differs = [](const AdapterMatrix& a, const AdapterMatrix& b) {
    return a.weight != b.weight || a.a.shape() != b.a.shape() || std::abs(a.scale - b.scale) > 1e-6F * b.scale;
  };
  for (size_t i = 0; i < std::max(given.matrices.size(), wanted.matrices.size()); ++i) {
    if (i < given.matrices.size() && i < wanted.matrices.size() && !differs(given.matrices[i], wanted.matrices[i])) {
      continue;
    }
    const auto describe = [&](const Adapter& adapter) {
      if (i >= adapter.matrices.size()) return std::string("no more matrices");
      const AdapterMatrix& matrix = adapter.matrices[i];
      return fmt::format("{} with rank {} and scale {:g}", matrix.weight, matrix.a.shape()[0], matrix.scale);
    };
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("init_adapter has {}, and the recipe's targets, rank and alpha say {}; say there what it has",
                    describe(given), describe(wanted)),
        "init_adapter");
  }
}

Adapter first_adapter(const Model& base, const TuneRecipe& recipe) {
  const Adapter fresh = make_lora(base, {.rank = recipe.rank,
                                         .alpha = recipe.alpha,
                                         .targets = recipe.targets,
                                         .is_rank_stabilised = recipe.rank_stabilised,
                                         .seed = static_cast<uint64_t>(recipe.seed)});
  if (!recipe.init_adapter) return fresh;
  Adapter given = read_adapter(*recipe.init_adapter, base);
  check_alike(given, fresh);
  return given;
}

class LoraMethod final : public TrainingMethod {
 public:
  LoraMethod(std::shared_ptr<const Model> base, const TuneRecipe& recipe)
      : base_(std::move(base)),
        adapter_(first_adapter(*base_, recipe)),
        b_rate_(recipe.lora_plus_ratio),
        merges_(recipe.merge),
        output_type_(recipe.output_type) {}

  std::shared_ptr<const Model> model() const override { return with_adapter(*base_, adapter_); }
  std::vector<TrainedParameter> parameters() const override { return lora_parameters(adapter_, b_rate_); }
  bool trains_base() const override { return false; }
  std::string_view output_kind() const override { return merges_ ? "model" : "adapter"; }

  void check_output(const std::filesystem::path& base_path) const override {
    if (merges_) check_conversion(options(base_path, {}));
  }

  std::string write_output(Executor& executor, const std::filesystem::path& base_path,
                           const std::filesystem::path& folder) const override {
    if (!merges_) {
      write_peft_files(folder, adapter_, *base_);
      return "";
    }
    MergedWeights merged = merged_weights(executor, *base_, adapter_);
    ConvertOptions conversion = options(base_path, folder);
    conversion.changed = with_weights(*base_, std::move(merged.weights));
    const ConvertReport report = write_model_files(executor, conversion);
    return fmt::format("merged: the adapter changes its matrices by {:.3g} of their size, rounding by {:.2g}",
                       merged.change, report.changed_error);
  }

 private:
  ConvertOptions options(const std::filesystem::path& base_path, const std::filesystem::path& folder) const {
    ConvertOptions options;
    options.source = base_path;
    options.destination = folder;
    options.type = output_type_.value_or("");
    return options;
  }

  std::shared_ptr<const Model> base_;
  Adapter adapter_;
  double b_rate_;
  bool merges_;
  std::optional<std::string> output_type_;
};

}  // namespace

std::unique_ptr<TrainingMethod> make_lora_method(std::shared_ptr<const Model> base, const TuneRecipe& recipe) {
  return std::make_unique<LoraMethod>(std::move(base), recipe);
}

}  // namespace pelton
