#include "train/adapter_targets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <string_view>

#include "base/error.h"
#include "train/name_pattern.h"

namespace pelton {
namespace {

struct Alias {
  std::string_view target, ending;  // of canonical names
};
constexpr Alias kAliases[] = {{"q", ".attention.query"},  {"k", ".attention.key"}, {"v", ".attention.value"},
                              {"o", ".attention.output"}, {"gate", ".mlp.gate"},   {"up", ".mlp.up"},
                              {"down", ".mlp.down"}};
constexpr std::string_view kWeightSuffix = ".weight";

std::vector<TargetMatrix> candidates_of(const Model& base) {
  std::set<std::string, std::less<>> linear, others;
  for (const LayerCall& call : base.graph.calls) {
    if (!call.weight.empty()) (std::holds_alternative<LinearCall>(call.kind) ? linear : others).insert(call.weight);
  }
  const WeightPlaces places = weight_places(base.graph, base.architecture->weight_names, WeightNaming::kHuggingFace);
  std::vector<TargetMatrix> candidates;
  for (const WeightSpec& weight : base.graph.weights) {
    const auto place = places.find(weight.name);
    if (!linear.contains(weight.name) || others.contains(weight.name) || place == places.end()) continue;
    std::string module = place->second.tensor;
    if (module.ends_with(kWeightSuffix)) module.resize(module.size() - kWeightSuffix.size());
    const int64_t row_count = place->second.tensor_shape[place->second.is_transposed ? 1 : 0];
    candidates.push_back({weight.name, place->second.tensor, row_count, module, weight.name == "output"});
  }
  return candidates;
}

bool matches(const std::string& target, const TargetMatrix& candidate) {
  if (target == "all-linear") return !candidate.is_output;
  for (const Alias& alias : kAliases) {
    if (alias.target == target && candidate.weight.ends_with(alias.ending)) return true;
  }
  if (target.find('*') != std::string::npos) return matches_pattern(target, candidate.module);
  return candidate.module == target || candidate.module.ends_with("." + target);
}

std::string names_of(const std::vector<TargetMatrix>& candidates) {
  std::set<std::string> names;
  for (const TargetMatrix& candidate : candidates) {
    names.insert(candidate.module.substr(candidate.module.rfind('.') + 1));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::vector<TargetMatrix> find_targets(const Model& base, const std::vector<std::string>& targets) {
  const std::vector<TargetMatrix> candidates = candidates_of(base);
  std::vector<bool> is_chosen(candidates.size(), false);
  for (const std::string& target : targets) {
    bool has_matched = false;
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (!matches(target, candidates[i])) continue;
      is_chosen[i] = has_matched = true;
    }
    if (!has_matched) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("targets: \"{}\" is no matrix of this model; there are {}, and q, k, v, o, gate, up, "
                              "down where it has them",
                              target, names_of(candidates)),
                  "targets");
    }
  }
  std::vector<TargetMatrix> chosen;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (is_chosen[i]) chosen.push_back(candidates[i]);
  }
  return chosen;
}

}  // namespace pelton
