#include "model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

// Numbers in a name: of the layer, then of the expert.
using NameNumbers = std::vector<std::string_view>;

// The numbers where `canonical` fits `pattern` ("layers.{}.mlp.up"); none: no fit.
std::optional<NameNumbers> match(std::string_view pattern, std::string_view canonical) {
  NameNumbers numbers;
  for (size_t hole = pattern.find("{}"); hole != std::string_view::npos; hole = pattern.find("{}")) {
    if (!canonical.starts_with(pattern.substr(0, hole))) return std::nullopt;
    canonical.remove_prefix(hole);
    pattern.remove_prefix(hole + 2);
    const size_t length = std::min(canonical.find_first_not_of("0123456789"), canonical.size());
    if (length == 0) return std::nullopt;
    numbers.push_back(canonical.substr(0, length));
    canonical.remove_prefix(length);
  }
  return pattern == canonical ? std::optional(std::move(numbers)) : std::nullopt;
}

// Tensors that files may hold beside the weights: frequencies, which the configuration gives too or reads, a copy of a
// tied output matrix, and GPT-2's triangle of ones.
bool is_beside_weights(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name == "rope_freqs.weight" || name == "rope_factors_short.weight" ||
         name == "rope_factors_long.weight" || name == "lm_head.weight" || name.ends_with(".attn.bias") ||
         name.ends_with(".attn.masked_bias");
}

// Takes as many of the numbers as there is room for.
std::string fill(std::string_view pattern, const NameNumbers& numbers) {
  std::string name;
  for (const std::string_view number : numbers) {
    const size_t hole = pattern.find("{}");
    if (hole == std::string_view::npos) break;
    name += pattern.substr(0, hole);
    name += number;
    pattern.remove_prefix(hole + 2);
  }
  return name + std::string(pattern);
}

size_t hole_count(std::string_view pattern) {
  size_t count = 0;
  for (size_t hole = pattern.find("{}"); hole != std::string_view::npos; hole = pattern.find("{}", hole + 2)) ++count;
  return count;
}

// A row of the table and the numbers in the name that it gave.
struct NameMatch {
  size_t index;
  NameNumbers numbers;
};

NameMatch find_name(std::span<const WeightName> names, std::string_view canonical) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (auto numbers = match(names[i].canonical, canonical)) return {i, std::move(*numbers)};
  }
  PELTON_UNREACHABLE();
}

bool is_in_blocks(ElementType type) { return info(type).block_elements > 1; }

Tensor decode(const Tensor& tensor) {
  Tensor decoded = Tensor::f32(tensor.shape());
  decode_function(tensor.type())(tensor.data(), decoded.mutable_floats(), tensor.shape().element_count());
  return decoded;
}

// `count` rows of a matrix: a view where they lie together. Of a vector: a copy, which needs no block boundaries.
Tensor rows_of(const Tensor& tensor, const WeightPlace& place, int64_t count) {
  if (count == tensor.shape()[0]) return tensor;
  if (tensor.shape().rank() == 1) {
    const Tensor whole = decode(tensor);
    Tensor part = Tensor::f32({count});
    for (int64_t i = 0; i < count; ++i) {
      part.mutable_floats()[i] = whole.floats()[place.tensor_row(i)];
    }
    return part;
  }
  if (place.row_step == 1 && place.run_rows == 0) return tensor.rows(place.first_row, count);
  Tensor part(tensor.type(), {count, tensor.shape()[1]});
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(tensor.row(place.tensor_row(i)), tensor.row_bytes(), part.mutable_data() + i * tensor.row_bytes());
  }
  return part;
}

// [out, in] from `count` columns of [in, out]. Elements of one size, no blocks.
Tensor transposed_columns_of(const Tensor& tensor, const WeightPlace& place, int64_t count) {
  const int64_t input_size = tensor.shape()[0];
  const int64_t bytes = bytes_of(tensor.type(), 1);
  Tensor result(tensor.type(), {count, input_size});
  std::byte* target = result.mutable_data();
  for (int64_t row = 0; row < count; ++row) {
    const int64_t from = place.tensor_row(row);
    for (int64_t column = 0; column < input_size; ++column, target += bytes) {
      std::copy_n(tensor.row(column) + from * bytes, bytes, target);
    }
  }
  return result;
}

Tensor plus_one(const Tensor& tensor) {
  Tensor sum = decode(tensor);
  for (int64_t i = 0; i < sum.shape().element_count(); ++i) sum.mutable_floats()[i] += 1;
  return sum;
}

// Experts that a folder has in blocks are [out, in] there, though others are transposed (gpt-oss).
bool lies_as_a_weight(const WeightPlace& place, ElementType type) {
  return place.is_transposed && place.is_sliced && is_in_blocks(type);
}

// What a file gives for a weight of this shape.
Tensor weight_at(const WeightPlace& place, const Shape& shape, const Tensor& tensor) {
  const Tensor slice = place.is_sliced ? tensor.slice(place.slice) : tensor;
  if (place.is_transposed && !lies_as_a_weight(place, tensor.type())) {
    if (is_in_blocks(tensor.type())) {
      throw Error(ErrorCode::kUnsupported, fmt::format("the tensor {} is of type {}, which cannot be transposed",
                                                       place.tensor, element_type_name(tensor.type())));
    }
    return transposed_columns_of(slice, place, shape[0]);
  }
  const Tensor part = rows_of(slice, place, shape[0]);
  return place.is_minus_one ? plus_one(part) : part;
}

// What a tensor of this type must look like.
Shape expected_shape(const WeightPlace& place, ElementType type) {
  const Shape& shape = place.tensor_shape;
  return lies_as_a_weight(place, type) ? Shape{shape[0], shape[2], shape[1]} : shape;
}

Tensor find_tensor(const TensorSource& source, const WeightPlace& place) {
  const std::optional<Tensor> tensor = source.find(place.tensor);
  if (!tensor) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("the tensor {} {} is missing", place.tensor, place.tensor_shape.to_string()));
  }
  if (tensor->shape() != expected_shape(place, tensor->type())) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("the tensor {} has shape {}; the configuration says {}", place.tensor,
                            tensor->shape().to_string(), expected_shape(place, tensor->type()).to_string()));
  }
  if (!can_decode(tensor->type())) {
    throw Error(ErrorCode::kUnsupported, fmt::format("the tensor {} is of type {}, which cannot hold weights",
                                                     place.tensor, element_type_name(tensor->type())));
  }
  return *tensor;
}

// GGUF files of before 2024-04 have a tensor for each expert: blk.3.ffn_up.7.weight, not the 7th of
// blk.3.ffn_up_exps.weight.
std::optional<WeightPlace> place_in_split_experts(const WeightPlace& place) {
  constexpr std::string_view kTogether = "_exps.";
  const size_t at = place.tensor.find(kTogether);
  if (!place.is_sliced || at == std::string::npos) return std::nullopt;
  WeightPlace split = place;
  split.tensor.replace(at, kTogether.size(), fmt::format(".{}.", place.slice));
  split.is_sliced = false;
  split.slice = 0;
  split.tensor_shape = {};
  for (int axis = 1; axis < place.tensor_shape.rank(); ++axis) split.tensor_shape.append(place.tensor_shape[axis]);
  return split;
}

// A weight that shares a tensor with others.
struct SharingWeight {
  int64_t expert;  // 0 where the tensor is of one
  size_t name_index;
  const WeightSpec* weight;
};

// The weights of one expert, in the order of the table, in a tensor of `expert_count`; 0: without such a dimension.
void place_weights(const Graph& graph, const std::string& tensor, int64_t expert_count,
                   std::span<const SharingWeight> sharing, std::span<const WeightName> names, WeightNaming naming,
                   WeightPlaces& places) {
  const Shape& first = sharing[0].weight->shape;
  const bool is_folder = naming == WeightNaming::kHuggingFace;
  int64_t row_count = 0;
  for (const SharingWeight& part : sharing) row_count += part.weight->shape[0];
  int64_t first_row = 0;
  for (size_t i = 0; i < sharing.size(); ++i) {
    const WeightForm form = names[sharing[i].name_index].form;
    const bool takes_turns =
        is_folder && (form == WeightForm::kTurnsInHuggingFace || form == WeightForm::kTransposedTurnsInHuggingFace);
    const bool is_transposed = is_folder && (form == WeightForm::kTransposedInHuggingFace ||
                                             form == WeightForm::kTransposedTurnsInHuggingFace);
    WeightPlace place{.tensor = tensor,
                      .tensor_shape = {},
                      .is_sliced = expert_count > 0,
                      .slice = sharing[i].expert,
                      .first_row = takes_turns ? static_cast<int64_t>(i) : first_row,
                      .row_step = takes_turns ? static_cast<int64_t>(sharing.size()) : 1,
                      .is_transposed = is_transposed,
                      .is_minus_one = is_folder && form == WeightForm::kMinusOneInHuggingFace,
                      .has_head_rows = form == WeightForm::kHeadRows};
    if (place.is_sliced) place.tensor_shape.append(expert_count);
    if (first.rank() > 1 && is_transposed) place.tensor_shape.append(first[1]);
    place.tensor_shape.append(row_count);
    if (first.rank() > 1 && !is_transposed) place.tensor_shape.append(first[1]);
    if (is_folder && form == WeightForm::kHeadByHeadInHuggingFace) {
      CHECK(sharing[i].weight->shape[0] * static_cast<int64_t>(sharing.size()) == row_count);
      place.run_rows = graph.caches.front().head_width;
      place.run_stride = place.run_rows * static_cast<int64_t>(sharing.size());
      place.first_row = place.run_rows * static_cast<int64_t>(i);
    }
    first_row += sharing[i].weight->shape[0];
    places.emplace(sharing[i].weight->name, std::move(place));
  }
}

}  // namespace

int64_t element_in_tensor(const WeightPlace& place, int64_t row, int64_t column) {
  const Shape& shape = place.tensor_shape;
  const int64_t slice_elements = place.is_sliced ? shape.element_count() / shape[0] : 0;
  const bool is_vector = shape.rank() == (place.is_sliced ? 2 : 1);
  const int64_t tensor_row = place.tensor_row(row);
  const int64_t within = is_vector             ? tensor_row
                         : place.is_transposed ? column * shape.innermost() + tensor_row
                                               : tensor_row * shape.innermost() + column;
  return place.slice * slice_elements + within;
}

bool is_adapter_weight(std::string_view name) {
  constexpr std::string_view kSuffixes[] = {kLoraASuffix, kLoraBSuffix, kDoraFactorSuffix, kIa3Suffix};
  return std::any_of(std::begin(kSuffixes), std::end(kSuffixes),
                     [&](std::string_view suffix) { return name.ends_with(suffix); });
}

WeightPlaces weight_places(const Graph& graph, std::span<const WeightName> names, WeightNaming naming) {
  struct Sharing {
    bool is_sliced = false;
    std::vector<SharingWeight> weights;
  };
  std::map<std::string, Sharing> sharing_of_tensor;
  for (const WeightSpec& weight : graph.weights) {
    if (is_adapter_weight(weight.name)) continue;
    const NameMatch found = find_name(names, weight.name);
    const WeightName& name = names[found.index];
    const std::string_view pattern = naming == WeightNaming::kGguf ? name.gguf : name.hugging_face;
    Sharing& sharing = sharing_of_tensor[fill(pattern, found.numbers)];
    sharing.is_sliced = found.numbers.size() > hole_count(pattern);
    const int64_t expert = sharing.is_sliced ? std::stoll(std::string(found.numbers.back())) : 0;
    sharing.weights.push_back({expert, found.index, &weight});
  }
  WeightPlaces places;
  for (auto& [tensor, sharing] : sharing_of_tensor) {
    std::vector<SharingWeight>& weights = sharing.weights;
    std::sort(weights.begin(), weights.end(), [](const SharingWeight& a, const SharingWeight& b) {
      return std::pair(a.expert, a.name_index) < std::pair(b.expert, b.name_index);
    });
    const size_t expert_count = static_cast<size_t>(weights.back().expert + 1);
    const size_t each = weights.size() / expert_count;
    for (size_t expert = 0; expert < expert_count; ++expert) {
      place_weights(graph, tensor, sharing.is_sliced ? static_cast<int64_t>(expert_count) : 0,
                    std::span(weights).subspan(expert * each, each), names, naming, places);
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
  std::map<std::string, std::vector<const WeightSpec*>, std::less<>> weights_of_tensor;
  for (const WeightSpec& weight : graph.weights) {
    weights_of_tensor[places.find(weight.name)->second.tensor].push_back(&weight);
  }
  std::set<std::string, std::less<>> used;
  for (const auto& [name, weights] : weights_of_tensor) {
    const auto split = place_in_split_experts(places.find(weights.front()->name)->second);
    if (split && !source.find(name) && source.find(split->tensor)) {
      for (const WeightSpec* weight : weights) {
        const WeightPlace place = *place_in_split_experts(places.find(weight->name)->second);
        tensors_.emplace(weight->name, weight_at(place, weight->shape, find_tensor(source, place)));
        used.insert(place.tensor);
      }
      continue;
    }
    used.insert(name);
    const Tensor tensor = find_tensor(source, places.find(weights.front()->name)->second);
    for (const WeightSpec* weight : weights) {
      tensors_.emplace(weight->name, weight_at(places.find(weight->name)->second, weight->shape, tensor));
    }
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
