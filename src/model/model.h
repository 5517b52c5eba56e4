// A model ready to run: its numbers, its layer calls, its weights. Immutable and shared by serving, training,
// evaluation.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/arch.h"
#include "model/graph.h"
#include "model/spec.h"
#include "model/weights.h"
#include "nn/layer.h"

namespace pelton {

struct Model {
  const Architecture* architecture;
  WeightNaming naming;
  ModelSpec spec;
  Graph graph;
  WeightSet weights;
};

// Errors: as readers, configurations and weights give them.
std::shared_ptr<const Model> load_gguf_model(const GgufFile& file);
// Of a folder with several parts (model/text_part.h) the language model.
std::shared_ptr<const Model> load_hugging_face_model(const std::filesystem::path& folder, const json::object& config);
std::shared_ptr<const Model> load_hugging_face_model(const TensorSource& source, const json::object& config);

// The same model with these weights in place of its own, by canonical name; all others are shared.
std::shared_ptr<const Model> with_weights(const Model& model, std::map<std::string, Tensor> weights);

// Matrices that linear layers keep in BF16 (nn/linear_layer.h), by canonical name. Copies share.
struct RoundedMatrix {
  LinearWeight plain;
  LinearWeight transposed;
};
using RoundedMatrices = std::map<std::string, RoundedMatrix, std::less<>>;
// Of these names; what is in `known` is taken from there.
RoundedMatrices round_matrices(Executor& executor, const Model& model, const std::set<std::string>& names,
                               const RoundedMatrices& known = {});

// The layer objects of a model's plain list, in order, to run forwards and backwards. Linear layers whose matrix is in
// `rounded` use that.
std::vector<std::unique_ptr<Layer>> make_training_layers(Executor& executor, const Model& model,
                                                         const RoundedMatrices& rounded = {});

// The list that inference runs: the plain one after all of model/fusion.h.
Graph fused_graph(const Model& model, ActivationType activations);

// The layer objects of `graph`, the model's plain list or its fused one, in order. kInt8 rearranges weights.
std::vector<std::unique_ptr<InferenceLayer>> make_inference_layers(Executor& executor, const Model& model,
                                                                   const Graph& graph, ActivationType activations);

}  // namespace pelton
