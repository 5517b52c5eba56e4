#include "model/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/check.h"

namespace pelton {
namespace {

constexpr std::string_view kKindNames[] = {"embedding",
                                           "position_embedding",
                                           "token_type_embedding",
                                           "linear",
                                           "rms_norm",
                                           "layer_norm",
                                           "rope",
                                           "attention",
                                           "silu_gate",
                                           "gelu_gate",
                                           "gelu_erf_gate",
                                           "gelu",
                                           "gelu_erf",
                                           "add",
                                           "scale",
                                           "column_scale",
                                           "dropout",
                                           "soft_cap",
                                           "select_rows",
                                           "columns",
                                           "join",
                                           "stored_scale",
                                           "experts",
                                           "rms_norm_quantise",
                                           "add_rms_norm",
                                           "add_rms_norm_quantise",
                                           "gated_linear",
                                           "gated_linear_quantise",
                                           "query_key_value",
                                           "query_key_value_write",
                                           "paged_attention",
                                           "logits_top_k"};
static_assert(std::size(kKindNames) == std::variant_size_v<LayerKind>);

constexpr size_t kWeightsShown = 12;  // of a call's: those of experts are many

std::string values_to_text(const Graph& graph, const std::vector<ValueId>& values) {
  std::string text;
  for (const ValueId value : values) {
    text += fmt::format("{}%{} [{}]", text.empty() ? "" : ", ", index_of(value), graph.value_widths[index_of(value)]);
  }
  return text;
}

}  // namespace

std::vector<ValueId> LayerCall::outputs() const {
  std::vector<ValueId> all = {output};
  all.insert(all.end(), further_outputs.begin(), further_outputs.end());
  return all;
}

std::vector<std::string> LayerCall::weights() const {
  std::vector<std::string> all;
  const auto add_weights_of = [&](const LayerCall& call) {
    if (!call.weight.empty()) all.push_back(call.weight);
    if (!call.bias.empty()) all.push_back(call.bias);
    all.insert(all.end(), call.further_weights.begin(), call.further_weights.end());
  };
  if (!is_fused()) add_weights_of(*this);
  for (const LayerCall& part : parts) add_weights_of(part);
  return all;
}

std::optional<int64_t> Graph::window() const {
  std::optional<int64_t> largest;
  for (const KvCacheShape& cache : caches) {
    if (cache.window) largest = std::max(*cache.window, largest.value_or(0));
  }
  return largest;
}

std::string_view layer_kind_name(const LayerKind& kind) { return kKindNames[kind.index()]; }

ValueId GraphBuilder::call(const LayerKind& kind, std::string_view name, std::vector<ValueId> inputs, int64_t width,
                           std::string weight) {
  const auto output = static_cast<ValueId>(graph_.value_widths.size());
  graph_.value_widths.push_back(width);
  graph_.calls.push_back(
      {kind, prefix_ + std::string(name), std::move(inputs), output, std::move(weight), {}, {}, {}, {}});
  return output;
}

std::string GraphBuilder::weight(std::string_view name, Shape shape) {
  std::string full_name = prefix_ + std::string(name);
  CHECK(weight_names_.insert(full_name).second);
  graph_.weights.push_back({full_name, shape});
  return full_name;
}

ValueId GraphBuilder::embedding(std::string_view name, int64_t vocabulary_size, int64_t width) {
  return call(EmbeddingCall{}, name, {}, width, weight(name, {vocabulary_size, width}));
}

ValueId GraphBuilder::position_embedding(std::string_view name, int64_t position_count, int64_t width,
                                         int64_t first_row) {
  return call(PositionEmbeddingCall{first_row}, name, {}, width, weight(name, {first_row + position_count, width}));
}

ValueId GraphBuilder::token_type_embedding(std::string_view name, int64_t type_count, int64_t width) {
  return call(TokenTypeEmbeddingCall{}, name, {}, width, weight(name, {type_count, width}));
}

ValueId GraphBuilder::linear(ValueId x, std::string_view name, int64_t output_width, Bias bias) {
  const ValueId y = call(LinearCall{}, name, {x}, output_width, weight(name, {output_width, width_of(x)}));
  if (bias == Bias::kYes) graph_.calls.back().bias = weight(std::string(name) + ".bias", {output_width});
  return y;
}

ValueId GraphBuilder::linear_with(ValueId x, std::string_view name, std::string_view weight, int64_t output_width) {
  return call(LinearCall{}, name, {x}, output_width, std::string(weight));
}

ValueId GraphBuilder::rms_norm(ValueId x, std::string_view name, float epsilon) {
  return rms_norm_parts(x, name, epsilon, width_of(x));
}

ValueId GraphBuilder::rms_norm_parts(ValueId x, std::string_view name, float epsilon, int64_t part_width) {
  CHECK(width_of(x) % part_width == 0);
  return call(RmsNormCall{epsilon, part_width}, name, {x}, width_of(x), weight(name, {part_width}));
}

ValueId GraphBuilder::rms_norm_parts_unweighted(ValueId x, std::string_view name, float epsilon, int64_t part_width) {
  CHECK(width_of(x) % part_width == 0);
  return call(RmsNormCall{epsilon, part_width}, name, {x}, width_of(x));
}

ValueId GraphBuilder::layer_norm(ValueId x, std::string_view name, float epsilon, Bias bias) {
  const ValueId y = call(LayerNormCall{epsilon}, name, {x}, width_of(x), weight(name, {width_of(x)}));
  if (bias == Bias::kYes) graph_.calls.back().bias = weight(std::string(name) + ".bias", {width_of(x)});
  return y;
}

ValueId GraphBuilder::layer_norm_heads(ValueId x, std::string_view name, float epsilon, int64_t head_count) {
  const int64_t width = width_of(x);
  CHECK(width % head_count == 0);
  return call(LayerNormCall{epsilon}, name, {x}, width, weight(name, {head_count, width / head_count}));
}

int64_t GraphBuilder::add_rope_table(const RopeParameters& parameters) {
  graph_.ropes.push_back(parameters);
  return static_cast<int64_t>(graph_.ropes.size()) - 1;
}

ValueId GraphBuilder::rope(ValueId x, std::string_view name, int64_t table_index, const RopeShape& shape) {
  CHECK(table_index < static_cast<int64_t>(graph_.ropes.size()));
  return call(RopeCall{table_index, shape}, name, {x}, width_of(x));
}

ValueId GraphBuilder::attention(ValueId q, ValueId k, ValueId v, std::string_view name, const AttentionShape& shape,
                                std::string_view sinks) {
  const std::string weight_of_sinks = sinks.empty() ? std::string() : weight(sinks, {shape.query_head_count});
  // Nothing of what sees both directions is kept.
  if (!shape.is_causal) return call(AttentionCall{shape, 0}, name, {q, k, v}, width_of(q), weight_of_sinks);
  const std::optional<int64_t> shared = cache_of(k, v);
  const int64_t cache_index = shared.value_or(static_cast<int64_t>(graph_.caches.size()));
  if (!shared) {
    graph_.caches.push_back({shape.key_value_head_count, shape.head_width, shape.window});
  } else {
    KvCacheShape& cache = graph_.caches[static_cast<size_t>(*shared)];
    CHECK(cache.key_value_head_count == shape.key_value_head_count && cache.head_width == shape.head_width);
    cache.window = cache.window && shape.window ? std::optional(std::max(*cache.window, *shape.window)) : std::nullopt;
  }
  return call(AttentionCall{shape, cache_index, !shared}, name, {q, k, v}, width_of(q), weight_of_sinks);
}

std::optional<int64_t> GraphBuilder::cache_of(ValueId k, ValueId v) const {
  for (const LayerCall& call : graph_.calls) {
    const auto* attention = std::get_if<AttentionCall>(&call.kind);
    if (attention != nullptr && call.inputs[1] == k && call.inputs[2] == v) return attention->cache_index;
  }
  return std::nullopt;
}

ValueId GraphBuilder::silu_gate(ValueId gate, ValueId up, std::string_view name) {
  return call(SiluGateCall{}, name, {gate, up}, width_of(gate));
}

ValueId GraphBuilder::gelu_gate(ValueId gate, ValueId up, std::string_view name) {
  return call(GeluGateCall{}, name, {gate, up}, width_of(gate));
}

ValueId GraphBuilder::gelu_erf_gate(ValueId gate, ValueId up, std::string_view name) {
  return call(GeluErfGateCall{}, name, {gate, up}, width_of(gate));
}

ValueId GraphBuilder::gelu_erf(ValueId x, std::string_view name) { return call(GeluErfCall{}, name, {x}, width_of(x)); }

ValueId GraphBuilder::gelu(ValueId x, std::string_view name) { return call(GeluCall{}, name, {x}, width_of(x)); }

ValueId GraphBuilder::scale(ValueId x, std::string_view name, float factor) {
  return factor == 1 ? x : call(ScaleCall{factor}, name, {x}, width_of(x));
}

ValueId GraphBuilder::soft_cap(ValueId x, std::string_view name, std::optional<float> cap) {
  return cap ? call(SoftCapCall{*cap}, name, {x}, width_of(x)) : x;
}

ValueId GraphBuilder::add(ValueId a, ValueId b, std::string_view name) {
  return call(AddCall{}, name, {a, b}, width_of(a));
}

ValueId GraphBuilder::select_rows(ValueId x, std::string_view name) {
  return call(SelectRowsCall{}, name, {x}, width_of(x));
}

ValueId GraphBuilder::columns(ValueId x, std::string_view name, int64_t part_count, int64_t first, int64_t width) {
  CHECK(width_of(x) % part_count == 0 && first >= 0 && width >= 1 && first + width <= width_of(x) / part_count);
  return call(ColumnsCall{first, part_count}, name, {x}, part_count * width);
}

ValueId GraphBuilder::join(ValueId a, ValueId b, std::string_view name, int64_t part_count, bool shares_b) {
  CHECK(width_of(a) % part_count == 0 && (shares_b || width_of(b) % part_count == 0));
  return call(JoinCall{part_count}, name, {a, b}, width_of(a) + (shares_b ? part_count : 1) * width_of(b));
}

ValueId GraphBuilder::pad(ValueId x, std::string_view name, int64_t part_count, int64_t width) {
  CHECK(width_of(x) % part_count == 0 && width >= width_of(x) / part_count);
  return width == width_of(x) / part_count ? x : call(JoinCall{part_count}, name, {x}, part_count * width);
}

ValueId GraphBuilder::stored_scale(ValueId x, std::string_view name) {
  return call(StoredScaleCall{}, name, {x}, width_of(x), weight(name, {1}));
}

ValueId GraphBuilder::experts(ValueId x, ValueId router_logits, std::string_view name, const ExpertsCall& kind) {
  const int64_t width = width_of(x);
  CHECK(width_of(router_logits) == kind.routing.expert_count);
  std::vector<std::string> weights;
  for (int64_t expert = 0; expert < kind.routing.expert_count; ++expert) {
    const std::string prefix = fmt::format("{}.{}.", name, expert);
    weights.push_back(weight(prefix + "gate", {kind.hidden_width, width}));
    weights.push_back(weight(prefix + "up", {kind.hidden_width, width}));
    weights.push_back(weight(prefix + "down", {width, kind.hidden_width}));
    if (!kind.has_biases) continue;
    weights.push_back(weight(prefix + "gate.bias", {kind.hidden_width}));
    weights.push_back(weight(prefix + "up.bias", {kind.hidden_width}));
    weights.push_back(weight(prefix + "down.bias", {width}));
  }
  const std::string correction =
      kind.has_correction ? weight(std::string(name) + ".correction", {kind.routing.expert_count}) : "";
  const ValueId y = call(kind, name, {x, router_logits}, width, correction);
  graph_.calls.back().further_weights = std::move(weights);
  return y;
}

Graph GraphBuilder::finish(ValueId logits) {
  graph_.logits = logits;
  return std::move(graph_);
}

int64_t active_parameter_count(const Graph& graph) {
  std::map<std::string_view, int64_t> sizes;
  int64_t count = 0;
  for (const WeightSpec& weight : graph.weights) {
    sizes[weight.name] = weight.shape.element_count();
    count += weight.shape.element_count();
  }
  for (const LayerCall& call : graph.calls) {
    const auto* experts = std::get_if<ExpertsCall>(&call.kind);
    if (experts == nullptr) continue;
    int64_t of_call = 0;
    for (const std::string& weight : call.further_weights) of_call += sizes.at(weight);
    count -= of_call / experts->routing.expert_count * (experts->routing.expert_count - experts->routing.active_count);
  }
  return count;
}

ValueId final_hidden_state(const Graph& graph) {
  ValueId value = graph.logits;
  for (auto call = graph.calls.rbegin(); call != graph.calls.rend(); ++call) {
    if (call->output != value) continue;
    if (std::holds_alternative<LinearCall>(call->kind)) return call->inputs[0];
    const bool keeps_rows =
        std::holds_alternative<ScaleCall>(call->kind) || std::holds_alternative<SoftCapCall>(call->kind);
    if (!keeps_rows) break;
    value = call->inputs[0];
  }
  return graph.logits;
}

std::string to_text(const Graph& graph) {
  std::string text;
  for (const LayerCall& call : graph.calls) {
    std::vector<std::string> weights = call.weights();
    if (const size_t count = weights.size(); count > kWeightsShown) {
      weights.resize(kWeightsShown);
      weights.push_back(fmt::format("… ({} in all)", count));
    }
    text += fmt::format("{:<34} {:<21} {} → {}{}{}\n", call.name, layer_kind_name(call.kind),
                        call.inputs.empty() ? "tokens" : values_to_text(graph, call.inputs),
                        values_to_text(graph, call.outputs()), weights.empty() ? "" : "  weight ",
                        fmt::join(weights, ", "));
  }
  return text;
}

}  // namespace pelton
