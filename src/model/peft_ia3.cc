#include "model/peft_ia3.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "io/in_quotes.h"
#include "model/adapter_tensors.h"

namespace pelton {
namespace {

constexpr std::string_view kEnding = ".ia3_l";

[[noreturn]] void fail(const std::string& reason) { throw Error(ErrorCode::kCorruptFile, reason); }
[[noreturn]] void refuse(const std::string& reason) { throw Error(ErrorCode::kUnsupported, reason); }

// Of "base_model.model.model.layers.0.mlp.down_proj.ia3_l" the module; PEFT compares names as texts.
std::string module_of(std::string_view tensor) {
  std::string_view name = tensor;
  if (name.starts_with(kPeftPrefix)) name.remove_prefix(kPeftPrefix.size());
  for (const std::string_view ending : {kEnding, std::string_view(".ia3_l.default")}) {
    if (name.ends_with(ending)) return std::string(name.substr(0, name.size() - ending.size()));
  }
  refuse(fmt::format("the adapter's tensor {} is no ia3_l of a linear layer", in_quotes(tensor)));
}

// Which numbers these are, by their shape; the configuration must not say otherwise. A regular expression there is not
// asked.
ScaledAxis axis_of(const std::string& module, const Shape& shape, const AdaptableTensor& tensor,
                   const JsonReader& config) {
  const bool is_of_columns = shape == Shape{1, tensor.columns};
  if (!is_of_columns && shape != Shape{tensor.row_count, 1}) {
    fail(fmt::format("the adapter's ia3_l {} does not fit {} [{}, {}] of the base: expected [{}, 1] or [1, {}]",
                     shape.to_string(), in_quotes(module), tensor.row_count, tensor.columns, tensor.row_count,
                     tensor.columns));
  }
  const json::value* modules = config.value("feedforward_modules");
  if (modules != nullptr && modules->is_array()) {
    const json::array& names = modules->get_array();
    const bool is_named = std::any_of(names.begin(), names.end(), [&](const json::value& name) {
      return name.is_string() && module.ends_with(std::string_view(name.get_string()));
    });
    if (is_named != is_of_columns) {
      fail(fmt::format("the adapter's ia3_l of {} is {}, and feedforward_modules {} it", in_quotes(module),
                       shape.to_string(), is_named ? "names" : "does not name"));
    }
  }
  return is_of_columns ? ScaledAxis::kColumns : ScaledAxis::kRows;
}

// What one tensor of the file holds.
struct Whole {
  ScaledAxis axis;
  Tensor numbers;  // [N, 1] or [1, K]
};

// The numbers of each tensor of the base that the adapter changes.
std::map<std::string, Whole> whole_numbers(const Adapter& adapter, const Model& base) {
  std::map<std::string, const AdapterScaling*, std::less<>> scalings;
  for (const AdapterScaling& scaling : adapter.scalings) scalings.emplace(scaling.weight, &scaling);
  std::map<std::string, Whole> wholes;
  for (const auto& [name, tensor] : adaptable_tensors(base, WeightNaming::kHuggingFace)) {
    std::vector<const AdapterScaling*> of_parts;
    for (const AdaptableTensor::Part& part : tensor.parts) {
      const auto found = scalings.find(part.weight);
      of_parts.push_back(found == scalings.end() ? nullptr : found->second);
    }
    const auto first = std::find_if(of_parts.begin(), of_parts.end(), [](const auto* part) { return part != nullptr; });
    if (first == of_parts.end()) continue;
    const ScaledAxis axis = (*first)->axis;
    Whole whole{axis, {}};
    if (axis == ScaledAxis::kColumns) {
      whole.numbers = Tensor::f32({1, tensor.columns});
      std::copy_n((*first)->factors.floats(), tensor.columns, whole.numbers.mutable_floats());
    } else {
      whole.numbers = Tensor::f32({tensor.row_count, 1});
      std::fill_n(whole.numbers.mutable_floats(), tensor.row_count, 1.0f);
    }
    for (size_t i = 0; i < of_parts.size(); ++i) {
      const AdapterScaling* part = of_parts[i];
      const bool fits = axis == ScaledAxis::kRows ? part == nullptr || part->axis == axis
                                                  : part != nullptr && part->axis == axis &&
                                                        has_same_numbers(part->factors, (*first)->factors);
      if (!fits) refuse(fmt::format("{} holds several matrices, whose factors cannot be written as one's", name));
      if (axis == ScaledAxis::kColumns || part == nullptr) continue;
      put_rows_of_part(matrix_of_one_column(part->factors), tensor.parts[i], base, WeightNaming::kHuggingFace,
                       whole.numbers);
    }
    wholes.emplace(name, std::move(whole));
  }
  return wholes;
}

json::array to_array(const std::set<std::string>& names) { return json::array(names.begin(), names.end()); }

}  // namespace

Adapter read_peft_ia3(const json::object& config, const SafetensorsFile& file, const Model& base) {
  const JsonReader reader(config, std::string(kPeftConfigFile));
  refuse_peft_lists(reader, {"modules_to_save"});
  const AdaptableTensors tensors = adaptable_tensors(base, WeightNaming::kHuggingFace);
  std::map<std::string, AdapterScaling, std::less<>> scalings;
  for (const TensorEntry& entry : file.entries()) {
    const std::string module = module_of(entry.name);
    const AdaptableTensor& tensor = find_adaptable(tensors, module + std::string(kWeightSuffix));
    const ScaledAxis axis = axis_of(module, entry.shape, tensor, reader);
    const Tensor numbers = decoded_tensor(*file.find(entry.name), entry.name);
    for (const AdaptableTensor::Part& part : tensor.parts) {
      const Tensor own =
          axis == ScaledAxis::kColumns ? numbers : rows_of_part(numbers, part, base, WeightNaming::kHuggingFace);
      const bool is_new = scalings.emplace(part.weight, AdapterScaling{part.weight, axis, as_vector(own)}).second;
      if (!is_new) fail(fmt::format("the adapter's tensor {} is there twice", in_quotes(entry.name)));
    }
  }
  if (scalings.empty()) fail("the adapter has no ia3_l");
  Adapter adapter;
  for (const WeightSpec& weight : base.graph.weights) {
    const auto found = scalings.find(weight.name);
    if (found != scalings.end()) adapter.scalings.push_back(std::move(found->second));
  }
  return adapter;
}

PeftFiles peft_ia3_files(const Adapter& adapter, const Model& base) {
  PeftFiles files;
  // By the last part of their names, as people write them; by the whole names where that would mean both kinds.
  std::map<ScaledAxis, std::set<std::string>> ends, modules;
  for (auto& [tensor, whole] : whole_numbers(adapter, base)) {
    const std::string module = tensor.substr(0, tensor.size() - kWeightSuffix.size());
    modules[whole.axis].insert(module);
    ends[whole.axis].insert(module.substr(module.rfind('.') + 1));
    files.tensors.push_back({fmt::format("{}{}{}", kPeftPrefix, module, kEnding), std::move(whole.numbers)});
  }
  CHECK(!files.tensors.empty());
  std::set<std::string> both = ends[ScaledAxis::kRows];
  both.merge(std::set<std::string>(ends[ScaledAxis::kColumns]));
  const bool is_ambiguous = both.size() < ends[ScaledAxis::kRows].size() + ends[ScaledAxis::kColumns].size();
  auto& names = is_ambiguous ? modules : ends;
  std::set<std::string> targets = names[ScaledAxis::kRows];
  targets.insert(names[ScaledAxis::kColumns].begin(), names[ScaledAxis::kColumns].end());
  files.config = {{"peft_type", "IA3"},
                  {"task_type", "CAUSAL_LM"},
                  {"target_modules", to_array(targets)},
                  {"feedforward_modules", to_array(names[ScaledAxis::kColumns])},
                  {"fan_in_fan_out", base.architecture->hugging_face_prefix == "transformer."},
                  {"inference_mode", true},
                  {"init_ia3_weights", true},
                  {"modules_to_save", nullptr}};
  return files;
}

}  // namespace pelton
