// Which weights a run trains, and what comes out of it: one file a method in methods/, one line in the list.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "ops/executor.h"
#include "train/optimiser.h"
#include "train/recipe.h"

namespace pelton {

// A parameter and the weights of the trained model whose gradients it takes: several where they share it.
struct TrainedParameter {
  Parameter parameter;
  std::vector<std::string> weights;
};

// The model that a method starts from: the base, with a head where the recipe's objective has one. Errors:
// kInvalidArgument (a classifier for an objective that learns tokens), kUnsupported (an encoder); those of
// with_score_head().
std::shared_ptr<const Model> training_base(std::shared_ptr<const Model> base, const TuneRecipe& recipe);

class TrainingMethod {
 public:
  virtual ~TrainingMethod() = default;

  // What is trained, on the base's other weights. Its trained weights are the parameters' own memory.
  virtual std::shared_ptr<const Model> model() const = 0;
  virtual std::vector<TrainedParameter> parameters() const = 0;
  // What follows from the parameters, made anew: before each step, and whenever they were changed otherwise.
  virtual void parameters_changed(Executor&) {}
  // Gradients, one for each of parameters(), of what they give the model → of the parameters themselves, in place.
  virtual void finish_gradients(std::span<Tensor> /*gradients*/) const {}
  // Whether these are the base's own weights, which then have to be made ready anew after each step.
  virtual bool trains_base() const = 0;

  // "adapter", "model"
  virtual std::string_view output_kind() const = 0;
  // What write_output() would refuse, before any work. `base_path`: the base's file or folder.
  virtual void check_output(const std::filesystem::path& base_path) const = 0;
  // As trained so far, into a folder that is there. Returns a note for people; empty: there is none.
  virtual std::string write_output(Executor& executor, const std::filesystem::path& base_path,
                                   const std::filesystem::path& folder) const = 0;
};

// What a method would train and hold, without its memory.
struct MethodPlan {
  std::shared_ptr<const Model> model;  // its list of calls is the trained model's; weights may be the base's
  struct Parameter {
    std::string name;
    Shape shape;
  };
  std::vector<Parameter> parameters;
  std::set<std::string> trained;  // names of the model's weights whose gradients are wanted
  bool trains_base = false;
  int64_t weight_bytes = 0;   // of weights that are not the base's
  int64_t writing_bytes = 0;  // that write_output() takes beside all that, at most
};

struct TrainingMethodKind {
  std::string_view name;
  std::string_view summary;
  // Of training_base(). Its head, if the objective has one, is trained whatever else is.
  std::unique_ptr<TrainingMethod> (*make)(std::shared_ptr<const Model> base, const TuneRecipe& recipe);
  MethodPlan (*plan)(std::shared_ptr<const Model> base, const TuneRecipe& recipe);  // errors: those of make
};
// The list.
std::span<const TrainingMethodKind> training_method_kinds();
// Error kInvalidArgument: names those that there are.
const TrainingMethodKind& find_training_method(std::string_view name);

}  // namespace pelton
