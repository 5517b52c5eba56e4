#include "model/fusion.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace pelton {
namespace {

template <typename Kind>
bool is(const LayerCall& call) {
  return std::holds_alternative<Kind>(call.kind);
}

bool reads(const LayerCall& call, ValueId value) {
  return std::find(call.inputs.begin(), call.inputs.end(), value) != call.inputs.end();
}

// Who writes and reads what, while a list is rewritten.
class Links {
 public:
  explicit Links(const Graph& graph)
      : graph_(graph), writers_(graph.value_widths.size()), readers_(graph.value_widths.size()) {
    for (size_t i = 0; i < graph.calls.size(); ++i) {
      for (const ValueId output : graph.calls[i].outputs()) writers_[index_of(output)] = i;
      for (const ValueId input : graph.calls[i].inputs) readers_[index_of(input)].push_back(i);
    }
  }

  const LayerCall& call(size_t index) const { return graph_.calls[index]; }
  size_t call_count() const { return graph_.calls.size(); }
  bool is_result(ValueId value) const { return value == graph_.logits; }

  // The call that writes `value`, if it is of this kind.
  template <typename Kind>
  std::optional<size_t> written_by(ValueId value) const {
    const std::optional<size_t>& writer = writers_[index_of(value)];
    return writer && is<Kind>(call(*writer)) ? writer : std::nullopt;
  }
  // Of whole rows, not of parts of them.
  bool is_norm_of_rows(const LayerCall& call) const {
    const auto* norm = std::get_if<RmsNormCall>(&call.kind);
    return norm != nullptr && norm->width == graph_.value_widths[index_of(call.output)];
  }
  // Ascending; empty: nobody.
  const std::vector<size_t>& readers(ValueId value) const { return readers_[index_of(value)]; }

 private:
  const Graph& graph_;
  std::vector<std::optional<size_t>> writers_;
  std::vector<std::vector<size_t>> readers_;
};

// Calls of the list and the one to stand for them, where the last of them stood.
struct Replacement {
  std::vector<size_t> calls;  // ascending
  LayerCall fused;            // without parts
};

bool contains(const std::vector<size_t>& calls, size_t call) {
  return std::find(calls.begin(), calls.end(), call) != calls.end();
}

// Whether everybody else still gets what it reads, and in time: a value that the fused call does not give must be read
// by the replaced calls alone, and one that it gives by nobody before it.
bool keeps_all_readers(const Links& links, const Replacement& replacement) {
  const std::vector<ValueId> given = replacement.fused.outputs();
  for (const size_t part : replacement.calls) {
    for (const ValueId value : links.call(part).outputs()) {
      const bool is_given = std::find(given.begin(), given.end(), value) != given.end();
      if (!is_given && links.is_result(value)) return false;
      for (const size_t reader : links.readers(value)) {
        if (contains(replacement.calls, reader)) continue;
        if (!is_given || reader < replacement.calls.back()) return false;
      }
    }
  }
  return true;
}

// Each call that `match(links, index)` finds to be the last of its pattern, if nobody misses anything then, gives way
// with its pattern.
template <typename Match>
Graph rewrite_with(const Graph& graph, Match match) {
  const Links links(graph);
  std::vector<bool> is_gone(graph.calls.size());
  std::vector<std::optional<LayerCall>> fused(graph.calls.size());
  for (size_t i = 0; i < graph.calls.size(); ++i) {
    std::optional<Replacement> replacement = match(links, i);
    if (!replacement || !keeps_all_readers(links, *replacement)) continue;
    CHECK(std::is_sorted(replacement->calls.begin(), replacement->calls.end()));
    const bool overlaps =
        std::any_of(replacement->calls.begin(), replacement->calls.end(), [&](size_t call) { return is_gone[call]; });
    if (overlaps) continue;
    LayerCall& call = fused[replacement->calls.back()].emplace(std::move(replacement->fused));
    for (const size_t part : replacement->calls) {
      is_gone[part] = true;
      const LayerCall& plain = links.call(part);
      if (plain.is_fused()) {
        call.parts.insert(call.parts.end(), plain.parts.begin(), plain.parts.end());
      } else {
        call.parts.push_back(plain);
      }
    }
  }
  Graph rewritten = graph;
  rewritten.calls.clear();
  for (size_t i = 0; i < graph.calls.size(); ++i) {
    if (fused[i]) rewritten.calls.push_back(std::move(*fused[i]));
    if (!is_gone[i]) rewritten.calls.push_back(graph.calls[i]);
  }
  return rewritten;
}

LayerCall fused_call(const LayerKind& kind, std::string name, std::vector<ValueId> inputs, ValueId output,
                     std::vector<ValueId> further_outputs = {}) {
  return {kind, std::move(name), std::move(inputs), output, {}, {}, {}, std::move(further_outputs), {}};
}

// An attention whose keys and values are in the pages.
void read_pages(LayerCall& attention) {
  LayerCall plain = attention;
  attention.kind = PagedAttentionCall{};
  attention.inputs = {plain.inputs[0]};
  attention.weight.clear();
  attention.parts = {std::move(plain)};
}

// --- add → rms_norm

Graph fuse_residual_norm(const Graph& graph, const FusionContext&) {
  return rewrite_with(graph, [](const Links& links, size_t index) -> std::optional<Replacement> {
    const LayerCall& norm = links.call(index);
    if (!links.is_norm_of_rows(norm)) return std::nullopt;
    const std::optional<size_t> add = links.written_by<AddCall>(norm.inputs[0]);
    if (!add) return std::nullopt;
    const LayerCall& sum = links.call(*add);
    return Replacement{{*add, index}, fused_call(AddRmsNormCall{}, norm.name, sum.inputs, sum.output, {norm.output})};
  });
}

// --- linear, linear → silu_gate or gelu_gate

bool is_without_bias(const LayerCall& call) { return call.bias.empty(); }

Graph fuse_gated_linear(const Graph& graph, const FusionContext&) {
  return rewrite_with(graph, [](const Links& links, size_t index) -> std::optional<Replacement> {
    const LayerCall& product = links.call(index);
    if (!is<SiluGateCall>(product) && !is<GeluGateCall>(product)) return std::nullopt;
    const std::optional<size_t> gate = links.written_by<LinearCall>(product.inputs[0]);
    const std::optional<size_t> up = links.written_by<LinearCall>(product.inputs[1]);
    // In this order: the parts are told apart by their place.
    if (!gate || !up || *gate >= *up || links.call(*gate).inputs != links.call(*up).inputs) return std::nullopt;
    if (!is_without_bias(links.call(*gate)) || !is_without_bias(links.call(*up))) return std::nullopt;
    return Replacement{{*gate, *up, index},
                       fused_call(GatedLinearCall{}, product.name, links.call(*gate).inputs, product.output)};
  });
}

// --- linear ×3 (→ rms_norm) (→ rope) → attention

// The calls that make `value`, the last first: a linear, what norms its heads alone, and what rotates them. Heads are
// treated one by one as the attention cuts them. Empty: something else makes it.
std::vector<size_t> projection_of(const Links& links, ValueId value, int64_t head_width) {
  std::vector<size_t> calls;
  if (const std::optional<size_t> rope = links.written_by<RopeCall>(value)) {
    if (std::get<RopeCall>(links.call(*rope).kind).shape.head_width != head_width) return {};
    calls.push_back(*rope);
    value = links.call(*rope).inputs[0];
  }
  if (const std::optional<size_t> norm = links.written_by<RmsNormCall>(value)) {
    if (std::get<RmsNormCall>(links.call(*norm).kind).width != head_width) return {};
    calls.push_back(*norm);
    value = links.call(*norm).inputs[0];
  }
  const std::optional<size_t> linear = links.written_by<LinearCall>(value);
  if (!linear) return {};
  calls.push_back(*linear);
  return calls;
}

// The calls that make what the attention at `index` reads. The attention itself stays.
std::optional<Replacement> query_key_value(const Links& links, size_t index) {
  const LayerCall& attention = links.call(index);
  if (!is<AttentionCall>(attention)) return std::nullopt;
  std::vector<size_t> linears;
  std::vector<size_t> all;
  for (const ValueId input : attention.inputs) {
    const std::vector<size_t> projection =
        projection_of(links, input, std::get<AttentionCall>(attention.kind).shape.head_width);
    if (projection.empty()) return std::nullopt;
    linears.push_back(projection.back());
    all.insert(all.end(), projection.begin(), projection.end());
  }
  const std::vector<ValueId>& x = links.call(linears[0]).inputs;
  const auto reads_another = [&](size_t linear) { return links.call(linear).inputs != x; };
  if (std::any_of(linears.begin(), linears.end(), reads_another)) return std::nullopt;
  std::sort(all.begin(), all.end());
  if (std::adjacent_find(all.begin(), all.end()) != all.end()) return std::nullopt;  // two of them are one
  const std::vector<ValueId>& made = attention.inputs;
  const QueryKeyValueCall kind{{}, {made[0], made[1], made[2]}, std::get<AttentionCall>(attention.kind).shape};
  return Replacement{all, fused_call(kind, attention.name + ".query_key_value", x, made[0], {made[1], made[2]})};
}

Graph fuse_query_key_value(const Graph& graph, const FusionContext&) {
  return rewrite_with(graph, [](const Links& links, size_t index) { return query_key_value(links, index); });
}

// --- attention over another's keys and values

// Its queries alone are left to read: who wrote the cache stands before it.
Graph fuse_shared_kv(const Graph& graph, const FusionContext&) {
  Graph rewritten = graph;
  for (LayerCall& call : rewritten.calls) {
    const auto* attention = std::get_if<AttentionCall>(&call.kind);
    if (attention != nullptr && attention->shape.is_causal && !attention->writes) read_pages(call);
  }
  return rewritten;
}

// --- query_key_value → attention

// Two calls give way to two: what is between them stays where it is.
Graph fuse_kv_write(const Graph& graph, const FusionContext&) {
  const Links links(graph);
  Graph rewritten = graph;
  for (size_t i = 0; i < graph.calls.size(); ++i) {
    const LayerCall& attention = graph.calls[i];
    if (!is<AttentionCall>(attention) || !std::get<AttentionCall>(attention.kind).shape.is_causal) continue;
    const std::optional<size_t> maker = links.written_by<QueryKeyValueCall>(attention.inputs[0]);
    if (!maker || graph.calls[*maker].outputs() != attention.inputs) continue;
    const auto is_wanted_elsewhere = [&](ValueId value) {
      return links.is_result(value) || links.readers(value) != std::vector<size_t>{i};
    };
    if (is_wanted_elsewhere(attention.inputs[1]) || is_wanted_elsewhere(attention.inputs[2])) continue;

    LayerCall& writing = rewritten.calls[*maker];
    const auto& kind = std::get<QueryKeyValueCall>(graph.calls[*maker].kind);
    writing.kind = QueryKeyValueWriteCall{kind, std::get<AttentionCall>(attention.kind).cache_index};
    writing.further_outputs.clear();
    read_pages(rewritten.calls[i]);
  }
  return rewritten;
}

// --- linear → logits

Graph fuse_logits_top_k(const Graph& graph, const FusionContext&) {
  return rewrite_with(graph, [](const Links& links, size_t index) -> std::optional<Replacement> {
    const LayerCall& linear = links.call(index);
    // Whoever else reads the logits wants whole rows.
    if (!is<LinearCall>(linear) || !links.is_result(linear.output) || !links.readers(linear.output).empty() ||
        !is_without_bias(linear)) {
      return std::nullopt;
    }
    return Replacement{{index}, fused_call(LogitsTopKCall{}, linear.name, linear.inputs, linear.output)};
  });
}

// --- (rms_norm, add_rms_norm, gated_linear) → matrices that multiply in int8

std::optional<LayerKind> quantising(const Links& links, const LayerCall& call) {
  if (links.is_norm_of_rows(call)) return RmsNormQuantiseCall{};
  if (is<AddRmsNormCall>(call)) return AddRmsNormQuantiseCall{};
  if (is<GatedLinearCall>(call)) return GatedLinearQuantiseCall{};
  return std::nullopt;
}

// Whether the call, or a part of it, multiplies the int8 form of `value`.
bool multiplies_int8(const LayerCall& call, ValueId value, const FusionContext& context) {
  if (is<LinearCall>(call)) return reads(call, value) && context.multiplies_int8(call.weight);
  return std::any_of(call.parts.begin(), call.parts.end(),
                     [&](const LayerCall& part) { return multiplies_int8(part, value, context); });
}

Graph fuse_quantise(const Graph& graph, const FusionContext& context) {
  return rewrite_with(graph, [&](const Links& links, size_t index) -> std::optional<Replacement> {
    const LayerCall& call = links.call(index);
    const std::optional<LayerKind> kind = quantising(links, call);
    // The int8 form is kept for what comes next only.
    if (!kind || index + 1 == links.call_count()) return std::nullopt;
    if (!multiplies_int8(links.call(index + 1), call.outputs().back(), context)) return std::nullopt;
    return Replacement{{index}, fused_call(*kind, call.name, call.inputs, call.output, call.further_outputs)};
  });
}

// The last one looks at the readers that the others have made.
constexpr Fusion kFusions[] = {
    {"residual_norm", "add → rms_norm", "add_rms_norm: one pass over each row", fuse_residual_norm},
    {"gated_linear", "linear, linear → silu_gate or gelu_gate",
     "gated_linear: one region; each thread gates its own columns", fuse_gated_linear},
    {"query_key_value", "linear, linear, linear (→ rms_norm of heads) (→ rope) → attention",
     "query_key_value: one region; who completes a head norms and rotates it", fuse_query_key_value},
    {"shared_kv", "attention over keys and values that an earlier one has written",
     "paged_attention: reads the queries alone", fuse_shared_kv},
    {"kv_write", "query_key_value → attention",
     "query_key_value_write → paged_attention: who completes a head's keys or values puts them into the pages",
     fuse_kv_write},
    {"logits_top_k", "linear → logits",
     "logits_top_k: where a step wants the best k of each row, each thread keeps those of its own columns",
     fuse_logits_top_k},
    {"quantise", "rms_norm, add_rms_norm or gated_linear → linear in int8",
     "the same with _quantise: the int8 form is made while the numbers are in the cache", fuse_quantise},
};

}  // namespace

std::span<const Fusion> fusions() { return kFusions; }

Graph fuse(const Graph& graph, const FusionContext& context) {
  Graph fused = graph;
  for (const Fusion& fusion : kFusions) fused = fusion.rewrite(fused, context);
  return fused;
}

}  // namespace pelton
