#include "model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <type_traits>

#include "base/check.h"
#include "base/error.h"
#include "io/safetensors.h"
#include "model/fusion.h"
#include "model/prequantised.h"
#include "model/text_part.h"
#include "nn/attention_layer.h"
#include "nn/elementwise_layers.h"
#include "nn/embedding_layer.h"
#include "nn/experts_layer.h"
#include "nn/fused_layers.h"
#include "nn/layer_norm_layer.h"
#include "nn/linear_layer.h"
#include "nn/rms_norm_layer.h"
#include "nn/rope_layer.h"

namespace pelton {
namespace {

// A file that leaves out what every name begins with.
class PrefixedSource final : public TensorSource {
 public:
  PrefixedSource(const TensorSource& source, std::string_view prefix) : source_(source), prefix_(prefix) {
    for (TensorEntry entry : source.entries()) {
      entry.name.insert(0, prefix_);
      entries_.push_back(std::move(entry));
    }
  }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    return name.starts_with(prefix_) ? source_.find(name.substr(prefix_.size())) : std::nullopt;
  }

 private:
  const TensorSource& source_;
  std::string prefix_;
  std::vector<TensorEntry> entries_;
};

// GPT-NeoX's output matrix has two names; the newer one is taken for both.
constexpr std::string_view kOlderOutputName = "embed_out.weight";
constexpr std::string_view kOutputName = "lm_head.weight";

class RenamedSource final : public TensorSource {
 public:
  explicit RenamedSource(const TensorSource& source) : source_(source), entries_(source.entries()) {
    for (TensorEntry& entry : entries_) {
      if (entry.name == kOlderOutputName) entry.name = kOutputName;
    }
  }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    return source_.find(name == kOutputName ? kOlderOutputName : name);
  }

 private:
  const TensorSource& source_;
  std::vector<TensorEntry> entries_;
};

bool lacks_prefix(const TensorSource& source, std::string_view prefix) {
  return std::none_of(source.entries().begin(), source.entries().end(),
                      [&](const TensorEntry& entry) { return entry.name.starts_with(prefix); });
}

void check_classifier(const Architecture& architecture, const ModelSpec& spec) {
  const auto is_head = [](const WeightName& name) {
    return name.canonical == "score" || name.canonical == "classifier";
  };
  if (spec.label_count == 0 ||
      std::any_of(architecture.weight_names.begin(), architecture.weight_names.end(), is_head)) {
    return;
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("a classifier on top of the architecture {} is not supported", architecture.name));
}

std::shared_ptr<const Model> make_model(const Architecture& architecture, WeightNaming naming, ModelSpec spec,
                                        const TensorSource& source) {
  check_classifier(architecture, spec);
  Graph graph = architecture.lower(spec);
  WeightSet weights(graph, architecture.weight_names, naming, source, architecture.unread_prefixes);
  return std::make_shared<const Model>(
      Model{&architecture, naming, std::move(spec), std::move(graph), std::move(weights)});
}

// Makes one layer for a call; one overload a kind.
class LayerMaker {
 public:
  LayerMaker(Executor& executor, const Model& model, ActivationType activations, const RoundedMatrices& rounded)
      : executor_(executor), model_(model), activations_(activations), rounded_(rounded) {
    for (const WeightSpec& weight : model.graph.weights) places_.emplace(weight.name, places_.size());
  }

  std::unique_ptr<InferenceLayer> make(const LayerCall& call) {
    return std::visit([&](const auto& kind) -> std::unique_ptr<InferenceLayer> { return (*this)(call, kind); },
                      call.kind);
  }

  // `call` is not fused.
  std::unique_ptr<Layer> make_plain(const LayerCall& call) {
    return std::visit(
        [&]<typename Kind>(const Kind& kind) -> Made {
          if constexpr (std::is_base_of_v<FusedCall, Kind>) {
            PELTON_UNREACHABLE();
          } else {
            return (*this)(call, kind);
          }
        },
        call.kind);
  }

 private:
  using Made = std::unique_ptr<Layer>;
  using MadeFused = std::unique_ptr<InferenceLayer>;

  Made operator()(const LayerCall& call, const EmbeddingCall&) {
    return std::make_unique<EmbeddingLayer>(model_.weights.at(call.weight));
  }
  Made operator()(const LayerCall& call, const PositionEmbeddingCall& kind) {
    return std::make_unique<EmbeddingLayer>(model_.weights.at(call.weight), EmbeddingIndex::kPosition, kind.first_row);
  }
  Made operator()(const LayerCall& call, const TokenTypeEmbeddingCall&) {
    return std::make_unique<EmbeddingLayer>(model_.weights.at(call.weight), EmbeddingIndex::kTokenType);
  }
  Made operator()(const LayerCall& call, const LinearCall&) {
    if (const auto rounded = rounded_.find(call.weight); rounded != rounded_.end()) {
      return std::make_unique<LinearLayer>(rounded->second.plain, rounded->second.transposed, vector(call.bias));
    }
    return std::make_unique<LinearLayer>(linear_weight(call.weight), vector(call.bias), place_of(call.weight));
  }
  Made operator()(const LayerCall& call, const RmsNormCall& kind) {
    return std::make_unique<RmsNormLayer>(norm_weight(call), kind.epsilon);
  }
  Made operator()(const LayerCall& call, const LayerNormCall& kind) {
    const Tensor weight = vector(call.weight);
    return std::make_unique<LayerNormLayer>(weight, call.bias.empty() ? Tensor::f32(weight.shape()) : vector(call.bias),
                                            kind.epsilon);
  }
  Made operator()(const LayerCall&, const RopeCall& kind) {
    return std::make_unique<RopeLayer>(kind.table_index, kind.shape);
  }
  Made operator()(const LayerCall& call, const AttentionCall& kind) {
    return std::make_unique<AttentionLayer>(
        kind.shape, AttentionLayer::Cache{.index = kind.cache_index, .writes = kind.writes}, vector(call.weight));
  }
  Made operator()(const LayerCall& call, const SiluGateCall&) { return std::make_unique<GateLayer>(gate_of(call)); }
  Made operator()(const LayerCall& call, const GeluGateCall&) { return std::make_unique<GateLayer>(gate_of(call)); }
  Made operator()(const LayerCall& call, const GeluErfGateCall&) { return std::make_unique<GateLayer>(gate_of(call)); }
  Made operator()(const LayerCall&, const GeluCall&) { return std::make_unique<GeluLayer>(Nonlinearity::kGelu); }
  Made operator()(const LayerCall&, const GeluErfCall&) { return std::make_unique<GeluLayer>(Nonlinearity::kGeluErf); }
  Made operator()(const LayerCall&, const AddCall&) { return std::make_unique<AddLayer>(); }
  Made operator()(const LayerCall&, const ScaleCall& kind) { return std::make_unique<ScaleLayer>(kind.factor); }
  Made operator()(const LayerCall& call, const ColumnScaleCall&) {
    return std::make_unique<ColumnScaleLayer>(model_.weights.at(call.weight), vector(call.bias));  // F32, of an adapter
  }
  Made operator()(const LayerCall&, const DropoutCall& kind) {
    return std::make_unique<DropoutLayer>(kind.share, kind.salt);
  }
  Made operator()(const LayerCall&, const SoftCapCall& kind) { return std::make_unique<SoftCapLayer>(kind.cap); }
  Made operator()(const LayerCall&, const SelectRowsCall&) { return std::make_unique<SelectRowsLayer>(); }
  Made operator()(const LayerCall& call, const ColumnsCall& kind) {
    return std::make_unique<ColumnsLayer>(kind.part_count, kind.first, width_of(call.output) / kind.part_count);
  }
  Made operator()(const LayerCall& call, const JoinCall& kind) {
    return std::make_unique<JoinLayer>(kind.part_count, width_of(call.output) / kind.part_count);
  }
  Made operator()(const LayerCall& call, const StoredScaleCall&) {
    return std::make_unique<StoredScaleLayer>(vector(call.weight).floats()[0]);
  }

  Made operator()(const LayerCall& call, const ExpertsCall& kind) {
    std::vector<ExpertsLayer::Expert> experts(static_cast<size_t>(kind.routing.expert_count));
    auto name = call.further_weights.begin();
    for (ExpertsLayer::Expert& expert : experts) {
      for (LinearWeight* weight : {&expert.gate, &expert.up, &expert.down}) *weight = linear_weight(*name++);
      if (!kind.has_biases) continue;
      for (Tensor* bias : {&expert.gate_bias, &expert.up_bias, &expert.down_bias}) *bias = vector(*name++);
    }
    CHECK(name == call.further_weights.end());
    return std::make_unique<ExpertsLayer>(kind.routing, kind.f, std::move(experts), vector(call.weight));
  }

  MadeFused operator()(const LayerCall& call, const RmsNormQuantiseCall&) {
    const LayerCall& norm = call.parts[0];
    return std::make_unique<QuantisingRmsNormLayer>(norm_weight(norm), epsilon_of(norm));
  }
  MadeFused operator()(const LayerCall& call, const AddRmsNormCall&) { return add_rms_norm(call, LeavesInt8::kNo); }
  MadeFused operator()(const LayerCall& call, const AddRmsNormQuantiseCall&) {
    return add_rms_norm(call, LeavesInt8::kYes);
  }
  MadeFused operator()(const LayerCall& call, const GatedLinearCall&) { return gated_linear(call, LeavesInt8::kNo); }
  MadeFused operator()(const LayerCall& call, const GatedLinearQuantiseCall&) {
    return gated_linear(call, LeavesInt8::kYes);
  }
  MadeFused operator()(const LayerCall& call, const QueryKeyValueCall& kind) {
    return std::make_unique<QueryKeyValueLayer>(head_projections(call, kind), kind.shape);
  }
  MadeFused operator()(const LayerCall& call, const QueryKeyValueWriteCall& kind) {
    return std::make_unique<QueryKeyValueWriteLayer>(head_projections(call, kind), kind.shape, kind.cache_index);
  }
  MadeFused operator()(const LayerCall& call, const PagedAttentionCall&) {
    const auto& attention = std::get<AttentionCall>(call.parts[0].kind);
    return std::make_unique<PagedAttentionLayer>(attention.shape, attention.cache_index, vector(call.parts[0].weight));
  }

  MadeFused operator()(const LayerCall& call, const LogitsTopKCall&) {
    return std::make_unique<LogitsTopKLayer>(placed_weight(call.parts[0].weight));
  }

  HeadProjections head_projections(const LayerCall& call, const QueryKeyValueCall& kind) {
    std::array<HeadProjections::One, 3> all;
    for (size_t i = 0; i < all.size(); ++i) {
      const LayerCall* linear = &writer_of(call, kind.values[i]);
      if (const auto* rope = std::get_if<RopeCall>(&linear->kind)) {
        all[i].rope_table_index = static_cast<size_t>(rope->table_index);
        linear = &writer_of(call, linear->inputs[0]);
      }
      if (std::holds_alternative<RmsNormCall>(linear->kind)) {
        all[i].norm = norm_weight(*linear);
        all[i].norm_epsilon = epsilon_of(*linear);
        linear = &writer_of(call, linear->inputs[0]);
      }
      all[i].weight = placed_weight(linear->weight);
      all[i].bias = vector(linear->bias);
    }
    return {std::move(all[0]), std::move(all[1]), std::move(all[2])};
  }

  MadeFused add_rms_norm(const LayerCall& call, LeavesInt8 leaves_int8) {
    const LayerCall& norm = call.parts[1];
    return std::make_unique<AddRmsNormLayer>(norm_weight(norm), epsilon_of(norm), leaves_int8);
  }
  MadeFused gated_linear(const LayerCall& call, LeavesInt8 leaves_int8) {
    return std::make_unique<GatedLinearLayer>(placed_weight(call.parts[0].weight), placed_weight(call.parts[1].weight),
                                              gate_of(call.parts[2]), leaves_int8);
  }

  static Nonlinearity gate_of(const LayerCall& call) {
    if (std::holds_alternative<SiluGateCall>(call.kind)) return Nonlinearity::kSilu;
    return std::holds_alternative<GeluGateCall>(call.kind) ? Nonlinearity::kGelu : Nonlinearity::kGeluErf;
  }

  // The weight of this name, in float32; empty: there is none.
  Tensor vector(const std::string& name) const { return name.empty() ? Tensor() : model_.weights.decoded(name); }

  // Of an rms_norm; ones where it has none: the product is exact.
  Tensor norm_weight(const LayerCall& call) const {
    if (!call.weight.empty()) return vector(call.weight);
    const int64_t width = std::get<RmsNormCall>(call.kind).width;
    Tensor ones = Tensor::f32({width});
    std::fill_n(ones.mutable_floats(), width, 1.0f);
    return ones;
  }

  int64_t width_of(ValueId value) const { return model_.graph.value_widths[index_of(value)]; }

  static float epsilon_of(const LayerCall& norm) { return std::get<RmsNormCall>(norm.kind).epsilon; }

  // The part of a fused call that writes `value`.
  static const LayerCall& writer_of(const LayerCall& fused, ValueId value) {
    const auto found = std::find_if(fused.parts.begin(), fused.parts.end(),
                                    [&](const LayerCall& part) { return part.output == value; });
    CHECK(found != fused.parts.end());
    return *found;
  }

  // A matrix that two calls share is rearranged once.
  const LinearWeight& linear_weight(const std::string& name) {
    auto found = linear_weights_.find(name);
    if (found == linear_weights_.end()) {
      const Tensor& weight = model_.weights.at(name);
      found = linear_weights_.emplace(name, LinearWeight(executor_, weight, activations_)).first;
    }
    return found->second;
  }

  PlacedWeight placed_weight(const std::string& name) { return {linear_weight(name), place_of(name)}; }
  size_t place_of(const std::string& name) const { return places_.find(name)->second; }

  Executor& executor_;
  const Model& model_;
  ActivationType activations_;
  const RoundedMatrices& rounded_;
  std::map<std::string, LinearWeight> linear_weights_;
  std::map<std::string, size_t, std::less<>> places_;  // in Graph::weights
};

}  // namespace

std::shared_ptr<const Model> load_gguf_model(const GgufFile& file) {
  const Architecture& architecture = architecture_of_gguf(file);
  return make_model(architecture, WeightNaming::kGguf, architecture.spec_from_gguf(file), file);
}

std::shared_ptr<const Model> load_hugging_face_model(const std::filesystem::path& folder, const json::object& config) {
  const json::object text = text_config(config);
  return load_hugging_face_model(*dequantised_tensors(text, text_tensors(config, open_safetensors_folder(folder))),
                                 text);
}

std::shared_ptr<const Model> load_hugging_face_model(const TensorSource& source, const json::object& config) try {
  const auto type = JsonReader(config, "config.json").string("model_type");
  if (!type) throw Error(ErrorCode::kCorruptFile, "config.json: model_type is missing");
  const Architecture& architecture = architecture_from_hugging_face(*type);
  ModelSpec spec = architecture.spec_from_hugging_face(config);
  const auto make = [&](const TensorSource& named) {
    return make_model(architecture, WeightNaming::kHuggingFace, std::move(spec), named);
  };
  if (source.find(kOlderOutputName)) return make(RenamedSource(source));
  const std::string_view prefix = architecture.hugging_face_prefix;
  return lacks_prefix(source, prefix) ? make(PrefixedSource(source, prefix)) : make(source);
} catch (const Error& error) {
  // A value of a wrong type is an argument's fault in a request, and the file's here.
  if (error.code() != ErrorCode::kInvalidArgument) throw;
  throw Error(ErrorCode::kCorruptFile, error.message());
}

std::shared_ptr<const Model> with_weights(const Model& model, std::map<std::string, Tensor> weights) {
  return std::make_shared<const Model>(Model{.architecture = model.architecture,
                                             .naming = model.naming,
                                             .spec = model.spec,
                                             .graph = model.graph,
                                             .weights = model.weights.with(std::move(weights))});
}

RoundedMatrices round_matrices(Executor& executor, const Model& model, const std::set<std::string>& names,
                               const RoundedMatrices& known) {
  RoundedMatrices matrices;
  for (const std::string& name : names) {
    if (const auto found = known.find(name); found != known.end()) {
      matrices.insert(*found);
      continue;
    }
    const Tensor& weight = model.weights.at(name);
    matrices[name] = {LinearWeight::rounded(executor, weight, LinearWeight::Orientation::kPlain),
                      LinearWeight::rounded(executor, weight, LinearWeight::Orientation::kTransposed)};
  }
  return matrices;
}

std::vector<std::unique_ptr<Layer>> make_training_layers(Executor& executor, const Model& model,
                                                         const RoundedMatrices& rounded) {
  LayerMaker maker(executor, model, ActivationType::kF32, rounded);
  std::vector<std::unique_ptr<Layer>> layers;
  for (const LayerCall& call : model.graph.calls) layers.push_back(maker.make_plain(call));
  return layers;
}

Graph fused_graph(const Model& model, ActivationType activations) {
  return fuse(model.graph, {.multiplies_int8 = [&](std::string_view weight) {
                const ElementType type = model.weights.at(weight).type();
                return activations_for(type, activations) == ActivationType::kInt8;
              }});
}

std::vector<std::unique_ptr<InferenceLayer>> make_inference_layers(Executor& executor, const Model& model,
                                                                   const Graph& graph, ActivationType activations) {
  const RoundedMatrices none;
  LayerMaker maker(executor, model, activations, none);
  std::vector<std::unique_ptr<InferenceLayer>> layers;
  for (const LayerCall& call : graph.calls) layers.push_back(maker.make(call));
  return layers;
}

}  // namespace pelton
