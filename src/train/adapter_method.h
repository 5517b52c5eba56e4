// What the methods share that train an adapter beside a base which stays as it is: the head that a base which scores
// has beside it, and what comes out, PEFT's folder or the base with the adapter merged.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/adapter.h"
#include "model/convert.h"
#include "train/method.h"

namespace pelton {

class AdapterMethod : public TrainingMethod {
 public:
  AdapterMethod(std::shared_ptr<const Model> base, const TuneRecipe& recipe);

  bool trains_base() const final { return false; }
  std::string_view output_kind() const final { return merges_ ? "model" : "adapter"; }
  void check_output(const std::filesystem::path& base_path) const final;

 protected:
  const Model& base() const { return *base_; }
  // The head's place in the trained model, and among the parameters, as the last; nothing where there is none.
  std::shared_ptr<const Model> with_head(std::shared_ptr<const Model> model) const;
  std::vector<TrainedParameter> with_head(std::vector<TrainedParameter> parameters) const;
  // write_output() of this adapter.
  std::string write_adapter(Executor& executor, const Adapter& adapter, const std::filesystem::path& base_path,
                            const std::filesystem::path& folder) const;

 private:
  ConvertOptions conversion(const std::filesystem::path& base_path, const std::filesystem::path& folder) const;

  std::shared_ptr<const Model> base_;
  std::optional<Tensor> head_;
  double dropout_;
  bool merges_;
  std::optional<std::string> output_type_;
};

// The recipe's init_adapter. Errors: those of read_adapter(); kInvalidArgument: it is none of the recipe's method.
Adapter read_init_adapter(const TuneRecipe& recipe, const Model& base);

// plan() of a method with this adapter and these parameters of it; its model is the caller's to say.
MethodPlan plan_adapter_method(const Model& base, const Adapter& adapter,
                               const std::vector<TrainedParameter>& parameters, const TuneRecipe& recipe);

}  // namespace pelton
