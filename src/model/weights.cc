#include "model/weights.h"

#include <fmt/format.h>

#include <set>

#include "base/check.h"
#include "base/error.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

// The layer number where `canonical` fits `pattern` ("layers.{}.mlp.up"); "" for a pattern without one; null: no fit.
std::optional<std::string_view> match(std::string_view pattern, std::string_view canonical) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) {
    return pattern == canonical ? std::optional<std::string_view>("") : std::nullopt;
  }
  const std::string_view before = pattern.substr(0, hole);
  const std::string_view after = pattern.substr(hole + 2);
  if (canonical.size() <= before.size() + after.size() || !canonical.starts_with(before) ||
      !canonical.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view number = canonical.substr(before.size(), canonical.size() - before.size() - after.size());
  if (number.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  return number;
}

// Tensors that files may hold beside the weights: frequencies, which the configuration gives too, and a copy of a tied
// output matrix.
bool is_beside_weights(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name == "rope_freqs.weight" || name == "lm_head.weight";
}

std::string fill(std::string_view pattern, std::string_view number) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return std::string(pattern);
  return std::string(pattern.substr(0, hole)) + std::string(number) + std::string(pattern.substr(hole + 2));
}

}  // namespace

FileWeightName file_weight_name(std::span<const WeightName> names, WeightNaming naming, std::string_view canonical) {
  for (const WeightName& row : names) {
    if (const auto number = match(row.canonical, canonical)) {
      return {fill(naming == WeightNaming::kGguf ? row.gguf : row.hugging_face, *number), row.is_interleaved_in_gguf};
    }
  }
  PELTON_UNREACHABLE();
}

WeightSet::WeightSet(const Graph& graph, std::span<const WeightName> names, WeightNaming naming,
                     const TensorSource& source) {
  std::set<std::string, std::less<>> used;
  for (const WeightSpec& weight : graph.weights) {
    const std::string name = file_weight_name(names, naming, weight.name).name;
    const std::optional<Tensor> tensor = source.find(name);
    if (!tensor)
      throw Error(ErrorCode::kCorruptFile, fmt::format("the tensor {} {} is missing", name, weight.shape.to_string()));
    if (tensor->shape() != weight.shape) {
      throw Error(ErrorCode::kCorruptFile, fmt::format("the tensor {} has shape {}; the configuration says {}", name,
                                                       tensor->shape().to_string(), weight.shape.to_string()));
    }
    if (!can_decode(tensor->type())) {
      throw Error(ErrorCode::kUnsupported, fmt::format("the tensor {} is of type {}, which cannot hold weights", name,
                                                       element_type_name(tensor->type())));
    }
    tensors_.emplace(weight.name, *tensor);
    used.insert(name);
  }
  for (const TensorEntry& entry : source.entries()) {
    if (used.contains(entry.name) || is_beside_weights(entry.name)) continue;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the tensor {} {} has no place in this architecture with this configuration", entry.name,
                            entry.shape.to_string()));
  }
}

const Tensor& WeightSet::at(std::string_view canonical) const {
  const auto found = tensors_.find(canonical);
  CHECK(found != tensors_.end());
  return found->second;
}

Tensor WeightSet::decoded(std::string_view canonical) const {
  const Tensor& tensor = at(canonical);
  Tensor decoded = Tensor::f32(tensor.shape());
  decode_function(tensor.type())(tensor.data(), decoded.mutable_floats(), tensor.shape().element_count());
  return decoded;
}

}  // namespace pelton
