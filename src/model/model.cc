#include "model/model.h"

#include <map>

#include "base/error.h"
#include "io/safetensors.h"
#include "nn/attention_layer.h"
#include "nn/elementwise_layers.h"
#include "nn/embedding_layer.h"
#include "nn/linear_layer.h"
#include "nn/rms_norm_layer.h"
#include "nn/rope_layer.h"

namespace pelton {
namespace {

std::shared_ptr<const Model> make_model(const Architecture& architecture, WeightNaming naming, ModelSpec spec,
                                        const TensorSource& source) {
  Graph graph = architecture.lower(spec);
  WeightSet weights(graph, architecture.weight_names, naming, source);
  return std::make_shared<const Model>(
      Model{&architecture, naming, std::move(spec), std::move(graph), std::move(weights)});
}

// Makes one layer for a call; one overload a kind.
class LayerMaker {
 public:
  LayerMaker(Executor& executor, const Model& model, ActivationType activations)
      : executor_(executor), model_(model), activations_(activations) {}

  std::unique_ptr<Layer> make(const LayerCall& call) {
    return std::visit([&](const auto& kind) { return (*this)(call, kind); }, call.kind);
  }

 private:
  using Made = std::unique_ptr<Layer>;

  Made operator()(const LayerCall& call, const EmbeddingCall&) {
    return std::make_unique<EmbeddingLayer>(model_.weights.at(call.weight));
  }
  Made operator()(const LayerCall& call, const LinearCall&) {
    return std::make_unique<LinearLayer>(linear_weight(call.weight));
  }
  Made operator()(const LayerCall& call, const RmsNormCall& kind) {
    return std::make_unique<RmsNormLayer>(model_.weights.decoded(call.weight), kind.epsilon);
  }
  Made operator()(const LayerCall&, const RopeCall& kind) {
    return std::make_unique<RopeLayer>(kind.table_index, kind.shape);
  }
  Made operator()(const LayerCall&, const AttentionCall& kind) {
    return std::make_unique<AttentionLayer>(kind.shape, kind.cache_index);
  }
  Made operator()(const LayerCall&, const SiluGateCall&) { return std::make_unique<SiluGateLayer>(); }
  Made operator()(const LayerCall&, const AddCall&) { return std::make_unique<AddLayer>(); }
  Made operator()(const LayerCall&, const SelectRowsCall&) { return std::make_unique<SelectRowsLayer>(); }

  // A matrix that two calls share is rearranged once.
  const LinearWeight& linear_weight(const std::string& name) {
    auto found = linear_weights_.find(name);
    if (found == linear_weights_.end()) {
      found = linear_weights_.emplace(name, LinearWeight(executor_, model_.weights.at(name), activations_)).first;
    }
    return found->second;
  }

  Executor& executor_;
  const Model& model_;
  ActivationType activations_;
  std::map<std::string, LinearWeight> linear_weights_;
};

}  // namespace

std::shared_ptr<const Model> load_gguf_model(const GgufFile& file) {
  const auto name = file.string("general.architecture");
  if (!name) throw Error(ErrorCode::kCorruptFile, "GGUF metadata: general.architecture is missing");
  const Architecture& architecture = architecture_from_gguf(*name);
  return make_model(architecture, WeightNaming::kGguf, architecture.spec_from_gguf(file), file);
}

std::shared_ptr<const Model> load_hugging_face_model(const std::filesystem::path& folder, const json::object& config) {
  const auto type = JsonReader(config, "config.json").string("model_type");
  if (!type) throw Error(ErrorCode::kCorruptFile, "config.json: model_type is missing");
  const Architecture& architecture = architecture_from_hugging_face(*type);
  const std::shared_ptr<const TensorSource> source = open_safetensors_folder(folder);
  return make_model(architecture, WeightNaming::kHuggingFace, architecture.spec_from_hugging_face(config), *source);
}

std::vector<std::unique_ptr<Layer>> make_layers(Executor& executor, const Model& model, ActivationType activations) {
  LayerMaker maker(executor, model, activations);
  std::vector<std::unique_ptr<Layer>> layers;
  for (const LayerCall& call : model.graph.calls) layers.push_back(maker.make(call));
  return layers;
}

}  // namespace pelton
