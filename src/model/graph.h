// A model as one list of layer calls: what architectures lower to, inference runs, training runs forwards and
// backwards, and `pelton inspect --plan` prints. Pure data: no weights, no memory, no threads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/rope.h"
#include "ops/routing.h"
#include "tensor/tensor.h"

namespace pelton {

// An activation [rows, width]; written by at most one call (one that a fused call keeps to itself by none).
enum class ValueId : int32_t {};
constexpr size_t index_of(ValueId value) { return static_cast<size_t>(value); }

// The kinds of layers, one struct a kind, with what each needs to know beside its weight.
struct EmbeddingCall {};
struct PositionEmbeddingCall {
  int64_t first_row = 0;  // of the table: that of position 0
};
struct TokenTypeEmbeddingCall {};
struct LinearCall {};
struct RmsNormCall {
  float epsilon;
  int64_t width;  // of what is normed alone: the value's, or a head's
};
struct LayerNormCall {
  float epsilon;
};
struct RopeCall {
  int64_t table_index;  // into Graph::ropes
  RopeShape shape;
};
struct AttentionCall {
  AttentionShape shape;
  int64_t cache_index;  // not causal: of no meaning
  bool writes = true;   // false: an earlier call keeps the same keys and values in that cache
};
struct SiluGateCall {};
struct GeluGateCall {};
struct GeluErfGateCall {};
struct GeluCall {};
struct GeluErfCall {};
struct AddCall {};
struct ScaleCall {
  float factor;
};
struct ColumnScaleCall {};
struct DropoutCall {  // while training
  float share;
  uint64_t salt;  // its own, so that it drops what no other does
};
struct SoftCapCall {
  float cap;
};
struct SelectRowsCall {};
struct ColumnsCall {
  int64_t first;
  int64_t part_count;  // of each part of the row
};
struct JoinCall {  // one input: zeros are joined
  int64_t part_count;
};
struct StoredScaleCall {};
// Inputs: what the experts read, and the router's logits.
struct ExpertsCall {
  RoutingShape routing;
  GateFunction f;
  int64_t hidden_width;  // F of each expert
  bool has_biases;
  bool has_correction = false;  // Routing::set: a weight [E] of the call's own, which is not trained
};

// Kinds that only model/fusion.h writes: several calls in one, which are its `parts`.
struct FusedCall {};
struct RmsNormQuantiseCall : FusedCall {};      // rms_norm
struct AddRmsNormCall : FusedCall {};           // add, rms_norm; outputs the sum and the norm
struct AddRmsNormQuantiseCall : FusedCall {};   // the same
struct GatedLinearCall : FusedCall {};          // linear (gate), linear (up), silu_gate or gelu_gate
struct GatedLinearQuantiseCall : FusedCall {};  // the same
// linear of queries, keys, values; each with its rms_norm of each head and its rope, if it has them
struct QueryKeyValueCall : FusedCall {
  std::array<ValueId, 3> values;  // these three
  AttentionShape shape;           // of the attention that reads them
};
struct QueryKeyValueWriteCall : QueryKeyValueCall {  // the same; keys and values go to the pages; outputs the queries
  int64_t cache_index;
};
struct PagedAttentionCall : FusedCall {};  // attention, whose keys and values somebody else has written
struct LogitsTopKCall : FusedCall {};      // linear; gives the best of each row alone where a step wants no more

using LayerKind = std::variant<EmbeddingCall, PositionEmbeddingCall, TokenTypeEmbeddingCall, LinearCall, RmsNormCall,
                               LayerNormCall, RopeCall, AttentionCall, SiluGateCall, GeluGateCall, GeluErfGateCall,
                               GeluCall, GeluErfCall, AddCall, ScaleCall, ColumnScaleCall, DropoutCall, SoftCapCall,
                               SelectRowsCall, ColumnsCall, JoinCall, StoredScaleCall, ExpertsCall, RmsNormQuantiseCall,
                               AddRmsNormCall, AddRmsNormQuantiseCall, GatedLinearCall, GatedLinearQuantiseCall,
                               QueryKeyValueCall, QueryKeyValueWriteCall, PagedAttentionCall, LogitsTopKCall>;
std::string_view layer_kind_name(const LayerKind& kind);  // "rms_norm"

struct LayerCall {
  LayerKind kind;
  std::string name;  // "layers.3.attention.query"
  std::vector<ValueId> inputs;
  ValueId output;
  std::string weight;     // canonical name of its weight; empty: none
  std::string bias = {};  // of its bias, likewise: [the output's width]

  // Of experts: of each, one after the other, gate, up and down, and their biases if it has them.
  std::vector<std::string> further_weights = {};

  // Of a fused call only; it has no weight of its own.
  std::vector<ValueId> further_outputs = {};
  std::vector<LayerCall> parts = {};  // the plain chain, whose results are this call's

  bool is_fused() const { return !parts.empty(); }
  std::vector<ValueId> outputs() const;
  std::vector<std::string> weights() const;  // its own, or its parts'
};

struct WeightSpec {
  std::string name;  // canonical: "layers.3.attention.query"
  Shape shape;
};

// What is kept of one layer's keys and values, which later layers may read too.
struct KvCacheShape {
  int64_t key_value_head_count;
  int64_t head_width;
  std::optional<int64_t> window;  // no row that reads it sees more positions than these; none: one sees all
};

struct Graph {
  std::vector<LayerCall> calls;       // each reads only what earlier ones wrote
  std::vector<int64_t> value_widths;  // by ValueId
  std::vector<WeightSpec> weights;    // each once, in order of first use
  std::vector<RopeParameters> ropes;  // one table of angles for each
  ValueId logits{};                   // of an encoder: the hidden state, or what its head makes of it
  std::vector<KvCacheShape> caches;   // by AttentionCall::cache_index

  // The largest of the caches that have one; none: no cache has.
  std::optional<int64_t> window() const;
};

// Whether a call has a bias. It is called as the weight, with ".bias" behind it.
enum class Bias : bool { kNo, kYes };

// Writes the list; architectures speak through it. Names are joined to the current prefix: "layers.3." +
// "attention.query".
class GraphBuilder {
 public:
  void set_prefix(std::string prefix) { prefix_ = std::move(prefix); }

  // Before the first call to rope() that uses it.
  int64_t add_rope_table(const RopeParameters& parameters);

  ValueId embedding(std::string_view name, int64_t vocabulary_size, int64_t width);
  // Learned vectors of the rows' positions, behind `first_row` that no position has. A step must not go beyond them.
  ValueId position_embedding(std::string_view name, int64_t position_count, int64_t width, int64_t first_row = 0);
  // Learned vectors of the texts that rows belong to.
  ValueId token_type_embedding(std::string_view name, int64_t type_count, int64_t width);
  ValueId linear(ValueId x, std::string_view name, int64_t output_width, Bias bias = Bias::kNo);
  // The same matrix as another call's (a tied output).
  ValueId linear_with(ValueId x, std::string_view name, std::string_view weight, int64_t output_width);
  ValueId rms_norm(ValueId x, std::string_view name, float epsilon);
  // Each of the parts of `part_width` that a row consists of is normed alone, all with the same weight.
  ValueId rms_norm_parts(ValueId x, std::string_view name, float epsilon, int64_t part_width);
  ValueId rms_norm_parts_unweighted(ValueId x, std::string_view name, float epsilon, int64_t part_width);
  ValueId layer_norm(ValueId x, std::string_view name, float epsilon, Bias bias = Bias::kYes);
  // Each of the heads that a row consists of is normed alone, with weights of its own [head_count, K].
  ValueId layer_norm_heads(ValueId x, std::string_view name, float epsilon, int64_t head_count);
  ValueId rope(ValueId x, std::string_view name, int64_t table_index, const RopeShape& shape);
  // Where an earlier call has read the same k and v, the two share its cache (Brandon et al. 2024, arXiv 2405.12981).
  // sinks: the name of the weight [H] of its sinks; empty: it has none.
  ValueId attention(ValueId q, ValueId k, ValueId v, std::string_view name, const AttentionShape& shape,
                    std::string_view sinks = {});
  ValueId silu_gate(ValueId gate, ValueId up, std::string_view name);
  ValueId gelu_gate(ValueId gate, ValueId up, std::string_view name);
  ValueId gelu_erf_gate(ValueId gate, ValueId up, std::string_view name);
  ValueId gelu(ValueId x, std::string_view name);
  ValueId gelu_erf(ValueId x, std::string_view name);
  ValueId add(ValueId a, ValueId b, std::string_view name);
  // x itself where the factor is 1, or there is no cap.
  ValueId scale(ValueId x, std::string_view name, float factor);
  ValueId soft_cap(ValueId x, std::string_view name, std::optional<float> cap);
  ValueId select_rows(ValueId x, std::string_view name);
  // Columns [first, first + width) of each of the `part_count` parts (heads) of a row.
  ValueId columns(ValueId x, std::string_view name, int64_t part_count, int64_t first, int64_t width);
  // Each part of a row of a, and behind it that of b, which has the same number of parts, or one for all.
  ValueId join(ValueId a, ValueId b, std::string_view name, int64_t part_count, bool shares_b);
  // Each part of a row with zeros behind it, `width` in all.
  ValueId pad(ValueId x, std::string_view name, int64_t part_count, int64_t width);
  // By one number that the file holds, a weight [1].
  ValueId stored_scale(ValueId x, std::string_view name);
  // Weights "NAME.7.gate", .up, .down, with ".bias" behind it and "NAME.correction" where the kind says so.
  ValueId experts(ValueId x, ValueId router_logits, std::string_view name, const ExpertsCall& kind);

  Graph finish(ValueId logits);

 private:
  ValueId call(const LayerKind& kind, std::string_view name, std::vector<ValueId> inputs, int64_t width,
               std::string weight = {});
  std::string weight(std::string_view name, Shape shape);
  std::optional<int64_t> cache_of(ValueId k, ValueId v) const;
  int64_t width_of(ValueId value) const { return graph_.value_widths[index_of(value)]; }

  Graph graph_;
  std::set<std::string, std::less<>> weight_names_;
  std::string prefix_;
};

// Of all weights, of experts only those that one token uses.
int64_t active_parameter_count(const Graph& graph);
// What the output matrix reads, where logits are its product, scaled or capped; else the result itself (an encoder's).
ValueId final_hidden_state(const Graph& graph);

// One line a call, with widths: "layers.0.attention.query  linear  %1 [576] → %2 [576]  weight
// layers.0.attention.query".
std::string to_text(const Graph& graph);

}  // namespace pelton
