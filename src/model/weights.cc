#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

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

// Tensors that files may hold beside the weights: frequencies, which the configuration gives too or reads, a copy of a
// tied output matrix, and GPT-2's triangle of ones.
bool is_beside_weights(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name == "rope_freqs.weight" || name == "rope_factors_short.weight" ||
         name == "rope_factors_long.weight" || name == "lm_head.weight" || name.ends_with(".attn.bias") ||
         name.ends_with(".attn.masked_bias");
}

std::string fill(std::string_view pattern, std::string_view number) {
  const size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return std::string(pattern);
  return std::string(pattern.substr(0, hole)) + std::string(number) + std::string(pattern.substr(hole + 2));
}

// A row of the table and the layer's number in the name that it gave.
struct NameMatch {
  size_t index;
  std::string number;
};

NameMatch find_name(std::span<const WeightName> names, std::string_view canonical) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (const auto number = match(names[i].canonical, canonical)) return {i, std::string(*number)};
  }
  PELTON_UNREACHABLE();
}

Shape with_rows(const Shape& shape, int64_t row_count) {
  return shape.rank() == 1 ? Shape{row_count} : Shape{row_count, shape[1]};
}

Shape transposed(const Shape& shape) { return {shape[1], shape[0]}; }

Tensor decode(const Tensor& tensor) {
  Tensor decoded = Tensor::f32(tensor.shape());
  decode_function(tensor.type())(tensor.data(), decoded.mutable_floats(), tensor.shape().element_count());
  return decoded;
}

// Rows [first, first + count) of a matrix: a view. Of a vector: a copy, which needs no block boundaries.
Tensor rows_of(const Tensor& tensor, int64_t first, int64_t count) {
  if (count == tensor.shape()[0]) return tensor;
  if (tensor.shape().rank() > 1) return tensor.rows(first, count);
  const Tensor whole = decode(tensor);
  Tensor part = Tensor::f32({count});
  std::copy_n(whole.floats() + first, count, part.mutable_floats());
  return part;
}

// [out, in] from columns [first, first + count) of [in, out]. Elements of one size, no blocks.
Tensor transposed_columns_of(const Tensor& tensor, int64_t first, int64_t count) {
  const int64_t input_size = tensor.shape()[0];
  const int64_t bytes = bytes_of(tensor.type(), 1);
  Tensor result(tensor.type(), {count, input_size});
  std::byte* target = result.mutable_data();
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t column = 0; column < input_size; ++column, target += bytes) {
      std::copy_n(tensor.row(column) + (first + row) * bytes, bytes, target);
    }
  }
  return result;
}

Tensor plus_one(const Tensor& tensor) {
  Tensor sum = decode(tensor);
  for (int64_t i = 0; i < sum.shape().element_count(); ++i) sum.mutable_floats()[i] += 1;
  return sum;
}

// What a file gives for a weight of this shape.
Tensor weight_at(const WeightPlace& place, const Shape& shape, const Tensor& tensor) {
  if (place.is_transposed) {
    if (info(tensor.type()).block_elements != 1) {
      throw Error(ErrorCode::kUnsupported, fmt::format("the tensor {} is of type {}, which cannot be transposed",
                                                       place.tensor, element_type_name(tensor.type())));
    }
    return transposed_columns_of(tensor, place.first_row, shape[0]);
  }
  const Tensor part = rows_of(tensor, place.first_row, shape[0]);
  return place.is_minus_one ? plus_one(part) : part;
}

Tensor find_tensor(const TensorSource& source, const WeightPlace& place) {
  const std::optional<Tensor> tensor = source.find(place.tensor);
  if (!tensor) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("the tensor {} {} is missing", place.tensor, place.tensor_shape.to_string()));
  }
  if (tensor->shape() != place.tensor_shape) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("the tensor {} has shape {}; the configuration says {}", place.tensor,
                            tensor->shape().to_string(), place.tensor_shape.to_string()));
  }
  if (!can_decode(tensor->type())) {
    throw Error(ErrorCode::kUnsupported, fmt::format("the tensor {} is of type {}, which cannot hold weights",
                                                     place.tensor, element_type_name(tensor->type())));
  }
  return *tensor;
}

}  // namespace

WeightPlaces weight_places(const Graph& graph, std::span<const WeightName> names, WeightNaming naming) {
  struct Part {
    size_t name_index;
    const WeightSpec* weight;
  };
  std::map<std::string, std::vector<Part>> parts_of_tensor;
  for (const WeightSpec& weight : graph.weights) {
    if (weight.name.ends_with(kLoraASuffix) || weight.name.ends_with(kLoraBSuffix)) continue;
    const NameMatch found = find_name(names, weight.name);
    const WeightName& name = names[found.index];
    const std::string tensor = fill(naming == WeightNaming::kGguf ? name.gguf : name.hugging_face, found.number);
    parts_of_tensor[tensor].push_back({found.index, &weight});
  }
  WeightPlaces places;
  for (auto& [tensor, parts] : parts_of_tensor) {
    std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.name_index < b.name_index; });
    int64_t row_count = 0;
    for (const Part& part : parts) row_count += part.weight->shape[0];
    int64_t first_row = 0;
    for (const Part& part : parts) {
      const WeightForm form = names[part.name_index].form;
      const bool is_gguf = naming == WeightNaming::kGguf;
      WeightPlace place{.tensor = tensor,
                        .tensor_shape = with_rows(part.weight->shape, row_count),
                        .first_row = first_row,
                        .is_transposed = !is_gguf && form == WeightForm::kTransposedInHuggingFace,
                        .is_minus_one = !is_gguf && form == WeightForm::kMinusOneInHuggingFace,
                        .has_head_rows = form == WeightForm::kHeadRows};
      if (place.is_transposed) place.tensor_shape = transposed(place.tensor_shape);
      first_row += part.weight->shape[0];
      places.emplace(part.weight->name, std::move(place));
    }
  }
  return places;
}

WeightSet::WeightSet(const Graph& graph, std::span<const WeightName> names, WeightNaming naming,
                     const TensorSource& source, std::span<const std::string_view> unread_prefixes) {
  const auto is_unread = [&](std::string_view name) {
    return is_beside_weights(name) || std::any_of(unread_prefixes.begin(), unread_prefixes.end(),
                                                  [&](std::string_view prefix) { return name.starts_with(prefix); });
  };
  const WeightPlaces places = weight_places(graph, names, naming);
  std::set<std::string, std::less<>> used;
  for (const WeightSpec& weight : graph.weights) {
    const WeightPlace& place = places.find(weight.name)->second;
    tensors_.emplace(weight.name, weight_at(place, weight.shape, find_tensor(source, place)));
    used.insert(place.tensor);
  }
  for (const TensorEntry& entry : source.entries()) {
    if (used.contains(entry.name) || is_unread(entry.name)) continue;
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

WeightSet WeightSet::with(std::map<std::string, Tensor> others) const {
  WeightSet result = *this;
  for (auto& [name, tensor] : others) result.tensors_.insert_or_assign(name, std::move(tensor));
  return result;
}

Tensor WeightSet::decoded(std::string_view canonical) const { return decode(at(canonical)); }

}  // namespace pelton
