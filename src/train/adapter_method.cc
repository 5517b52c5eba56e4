#include "train/adapter_method.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "model/score_head.h"

namespace pelton {
namespace {

// Of a base that has one, to be trained beside the adapter.
std::optional<Tensor> trained_head(const Model& base) {
  if (base.spec.label_count == 0) return std::nullopt;
  return base.weights.decoded(kScoreHead);
}

TrainedParameter parameter_of_head(const Tensor& head) {
  return {{.name = std::string(kScoreHead), .value = head, .decays = true}, {std::string(kScoreHead)}};
}

// What is there at once while an adapter is written.
int64_t writing_bytes(const Model& base, const Adapter& adapter, bool merges) {
  int64_t bytes = 0;
  const auto whole = [&](const std::string& weight) {
    return base.weights.at(weight).shape().element_count() * int64_t{sizeof(float)};
  };
  for (const AdapterMatrix& matrix : adapter.matrices) bytes += merges ? whole(matrix.weight) : matrix.b.size_bytes();
  for (const AdapterScaling& scaling : adapter.scalings) {
    bytes += merges ? whole(scaling.weight) : scaling.factors.size_bytes();
  }
  return bytes;
}

}  // namespace

AdapterMethod::AdapterMethod(std::shared_ptr<const Model> base, const TuneRecipe& recipe)
    : base_(std::move(base)),
      head_(trained_head(*base_)),
      dropout_(recipe.dropout),
      merges_(recipe.merge),
      output_type_(recipe.output_type) {}

void AdapterMethod::check_output(const std::filesystem::path& base_path) const {
  if (merges_) check_conversion(conversion(base_path, {}));
}

std::shared_ptr<const Model> AdapterMethod::with_head(std::shared_ptr<const Model> model) const {
  return head_ ? with_weights(*model, {{std::string(kScoreHead), *head_}}) : std::move(model);
}

std::vector<TrainedParameter> AdapterMethod::with_head(std::vector<TrainedParameter> parameters) const {
  if (head_) parameters.push_back(parameter_of_head(*head_));
  return parameters;
}

std::string AdapterMethod::write_adapter(Executor& executor, const Adapter& adapter,
                                         const std::filesystem::path& base_path,
                                         const std::filesystem::path& folder) const {
  if (!merges_) {
    write_peft_files(folder, adapter, *base_, dropout_);
    return "";
  }
  MergedWeights merged = merged_weights(executor, *base_, adapter);
  if (head_) merged.weights.emplace(kScoreHead, *head_);
  ConvertOptions options = conversion(base_path, folder);
  options.changed = with_weights(*base_, std::move(merged.weights));
  const ConvertReport report = write_model_files(executor, options);
  return fmt::format("merged: the adapter changes its matrices by {:.3g} of their size, rounding by {:.2g}",
                     merged.change, report.changed_error);
}

ConvertOptions AdapterMethod::conversion(const std::filesystem::path& base_path,
                                         const std::filesystem::path& folder) const {
  ConvertOptions options;
  options.source = base_path;
  options.destination = folder;
  options.type = output_type_.value_or("");
  return options;
}

Adapter read_init_adapter(const TuneRecipe& recipe, const Model& base) {
  Adapter adapter = read_adapter(*recipe.init_adapter, base);
  const std::string_view method = adapter.is_ia3() ? "ia3" : "lora";
  if (method != recipe.method) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("init_adapter is one of method {}, and the recipe's method is {}", method, recipe.method),
                "init_adapter");
  }
  return adapter;
}

MethodPlan plan_adapter_method(const Model& base, const Adapter& adapter,
                               const std::vector<TrainedParameter>& parameters, const TuneRecipe& recipe) {
  MethodPlan plan;
  const auto add = [&](const TrainedParameter& one) {
    plan.parameters.push_back({one.parameter.name, one.parameter.value.shape()});
    plan.trained.insert(one.weights.begin(), one.weights.end());
    plan.weight_bytes += one.parameter.value.size_bytes();
  };
  for (const TrainedParameter& one : parameters) add(one);
  if (const std::optional<Tensor> head = trained_head(base)) add(parameter_of_head(*head));
  plan.writing_bytes = writing_bytes(base, adapter, recipe.merge);
  return plan;
}

}  // namespace pelton
