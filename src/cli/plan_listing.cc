#include "cli/plan_listing.h"

#include <fmt/format.h>

#include <map>

#include "model/fusion.h"

namespace pelton::cli {
namespace {

std::map<std::string_view, int64_t> count_by_kind(const Graph& graph) {
  std::map<std::string_view, int64_t> counts;
  for (const LayerCall& call : graph.calls) ++counts[layer_kind_name(call.kind)];
  return counts;
}

// "31 add, 1 embedding, …"
std::string counts_to_text(const Graph& graph) {
  std::string text;
  for (const auto& [kind, count] : count_by_kind(graph)) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, kind);
  }
  return text;
}

std::string list_to_text(std::string_view title, const Graph& graph) {
  return fmt::format("\n{}: {} calls ({})\n{}", title, graph.calls.size(), counts_to_text(graph),
                     pelton::to_text(graph));
}

json::array values_to_json(const Graph& graph, const std::vector<ValueId>& values) {
  json::array array;
  for (const ValueId value : values) {
    array.push_back({{"value", index_of(value)}, {"width", graph.value_widths[index_of(value)]}});
  }
  return array;
}

json::object call_to_json(const Graph& graph, const LayerCall& call) {
  json::array weights;
  for (const std::string& weight : call.weights()) weights.emplace_back(weight);
  json::array parts;
  for (const LayerCall& part : call.parts) parts.emplace_back(part.name);
  return {{"name", call.name},
          {"kind", layer_kind_name(call.kind)},
          {"inputs", values_to_json(graph, call.inputs)},
          {"outputs", values_to_json(graph, call.outputs())},
          {"weights", std::move(weights)},
          {"parts", std::move(parts)}};
}

json::object list_to_json(const Graph& graph) {
  json::object kinds;
  for (const auto& [kind, count] : count_by_kind(graph)) kinds[kind] = count;
  json::array calls;
  for (const LayerCall& call : graph.calls) calls.push_back(call_to_json(graph, call));
  return {{"call_count", graph.calls.size()}, {"kinds", std::move(kinds)}, {"calls", std::move(calls)}};
}

}  // namespace

std::string to_text(const InferencePlan& plan) {
  std::string text = "\nFusions, in this order\n";
  for (const Fusion& fusion : fusions()) {
    text += fmt::format("  {:<16} {}\n  {:<16} ⇒ {}\n", fusion.name, fusion.pattern, "", fusion.replacement);
  }
  return text + list_to_text("Plan before fusing (training)", plan.plain) +
         list_to_text("Plan after fusing (inference with int8 activations)", plan.fused);
}

json::object to_json(const InferencePlan& plan) {
  json::array table;
  for (const Fusion& fusion : fusions()) {
    table.push_back({{"name", fusion.name}, {"pattern", fusion.pattern}, {"replacement", fusion.replacement}});
  }
  return {{"activations", "int8"},
          {"fusions", std::move(table)},
          {"before", list_to_json(plan.plain)},
          {"after", list_to_json(plan.fused)}};
}

}  // namespace pelton::cli
