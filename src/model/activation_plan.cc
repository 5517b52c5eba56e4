#include "model/activation_plan.h"

#include <algorithm>
#include <string_view>

namespace pelton {
namespace {

// Of "layers.3.mlp.up" "layers.3."; empty: not of a layer.
std::string_view layer_of(std::string_view call_name) {
  constexpr std::string_view kPrefix = "layers.";
  if (!call_name.starts_with(kPrefix)) return {};
  return call_name.substr(0, call_name.find('.', kPrefix.size()) + 1);
}

class Planner {
 public:
  Planner(const Graph& graph, std::span<const std::unique_ptr<Layer>> layers,
          const std::function<bool(const std::string&)>& is_wanted)
      : graph_(graph), layers_(layers), is_wanted_(is_wanted) {}

  ActivationPlan make(ActivationCheckpointing checkpointing) {
    find_reads();
    find_segments(checkpointing);
    find_what_stays();
    return std::move(plan_);
  }

 private:
  void find_reads() {
    const size_t value_count = graph_.value_widths.size();
    plan_.depends.assign(value_count, false);
    plan_.last_use.assign(value_count, 0);
    plan_.is_read.assign(value_count, false);
    plan_.tail_begin = graph_.calls.size();
    for (size_t i = 0; i < graph_.calls.size(); ++i) {
      const LayerCall& call = graph_.calls[i];
      const std::vector<std::string> weights = call.weights();
      const auto wants = [&](const std::string& name) { return !name.empty() && is_wanted_(name); };
      const bool wants_weights = wants(call.bias) || std::any_of(weights.begin(), weights.end(), wants);
      bool depends = wants_weights;
      for (const ValueId input : call.inputs) {
        depends = depends || plan_.depends[index_of(input)];
        plan_.last_use[index_of(input)] = i;
      }
      plan_.depends[index_of(call.output)] = depends;
      plan_.last_use[index_of(call.output)] = i;
      if (std::holds_alternative<SelectRowsCall>(call.kind)) {
        plan_.tail_begin = i + 1;
        plan_.selected = call.output;
      }
      const Layer::BackwardReads reads =
          depends ? layers_[i]->backward_reads(wants_weights) : Layer::BackwardReads{.inputs = false, .output = false};
      plan_.reads.push_back(reads);
      if (reads.output) plan_.is_read[index_of(call.output)] = true;
      for (const ValueId input : call.inputs) {
        if (reads.inputs) plan_.is_read[index_of(input)] = true;
      }
    }
    plan_.backward_reads_logits = plan_.is_read[index_of(graph_.logits)];
    plan_.is_read[index_of(graph_.logits)] = true;
    if (plan_.selected) plan_.is_read[index_of(*plan_.selected)] = true;
  }

  void find_segments(ActivationCheckpointing checkpointing) {
    for (size_t begin = 0; begin < plan_.tail_begin;) {
      const std::string_view layer = layer_of(graph_.calls[begin].name);
      bool has_backward = false;
      size_t end = begin;
      for (; end < plan_.tail_begin && layer_of(graph_.calls[end].name) == layer; ++end) {
        has_backward = has_backward || plan_.depends[index_of(graph_.calls[end].output)];
      }
      plan_.segments.push_back(
          {begin, end, checkpointing == ActivationCheckpointing::kLayer && !layer.empty() && has_backward});
      begin = end;
    }
  }

  void find_what_stays() {
    plan_.stays = plan_.is_read;
    plan_.may_be_halved.assign(plan_.stays.size(), false);
    for (size_t value = 0; value < plan_.stays.size(); ++value) {
      plan_.may_be_halved[value] = plan_.is_read[value] && plan_.last_use[value] < plan_.tail_begin;
    }
    // First what is a recomputed segment's own goes, then what is read elsewhere comes back.
    std::vector<const PlanSegment*> home(plan_.stays.size(), nullptr);
    for (const PlanSegment& segment : plan_.segments) {
      if (!segment.is_recomputed) continue;
      for (size_t i = segment.begin; i < segment.end; ++i) {
        const auto value = index_of(graph_.calls[i].output);
        home[value] = &segment;
        plan_.stays[value] = false;
      }
    }
    const auto note_reads = [&](size_t begin, size_t end, const PlanSegment* recomputed) {
      for (size_t i = begin; i < end; ++i) {
        for (const ValueId input : graph_.calls[i].inputs) {
          const auto value = index_of(input);
          if (home[value] == recomputed && recomputed != nullptr) continue;
          if (recomputed != nullptr) plan_.may_be_halved[value] = false;
          if (recomputed != nullptr || plan_.reads[i].inputs) plan_.stays[value] = true;
        }
      }
    };
    for (const PlanSegment& segment : plan_.segments) {
      note_reads(segment.begin, segment.end, segment.is_recomputed ? &segment : nullptr);
    }
    note_reads(plan_.tail_begin, graph_.calls.size(), nullptr);
    for (size_t value = 0; value < plan_.stays.size(); ++value) {
      if (!plan_.stays[value]) plan_.may_be_halved[value] = false;
    }
  }

  const Graph& graph_;
  std::span<const std::unique_ptr<Layer>> layers_;
  const std::function<bool(const std::string&)>& is_wanted_;
  ActivationPlan plan_;
};

}  // namespace

ActivationPlan plan_activations(const Graph& graph, std::span<const std::unique_ptr<Layer>> layers,
                                const std::function<bool(const std::string&)>& is_wanted,
                                ActivationCheckpointing checkpointing) {
  return Planner(graph, layers, is_wanted).make(checkpointing);
}

}  // namespace pelton
