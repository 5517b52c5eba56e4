#include "model/type_mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "base/error.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

constexpr TypeMix kMixes[] = {
    {"f32", ElementType::kF32, 0},      {"f16", ElementType::kF16, 1},      {"bf16", ElementType::kBF16, 32},
    {"q8_0", ElementType::kQ8_0, 7},    {"q6_k", ElementType::kQ6_K, 18},   {"q5_0", ElementType::kQ5_0, 8},
    {"q5_1", ElementType::kQ5_1, 9},    {"q5_k", ElementType::kQ5_K, 16},   {"q5_k_m", ElementType::kQ5_K, 17},
    {"q4_0", ElementType::kQ4_0, 2},    {"q4_1", ElementType::kQ4_1, 3},    {"q4_k", ElementType::kQ4_K, 14},
    {"q4_k_s", ElementType::kQ4_K, 14}, {"q4_k_m", ElementType::kQ4_K, 15},
};

// Matrices that are small and steer much, or are no factors of a product.
constexpr std::string_view kKeptParts[] = {"_norm", "ffn_gate_inp", "position_embd", "token_types", "rope_freqs"};

double bits_per_element(ElementType type) {
  const ElementTypeInfo& row = info(type);
  return 8.0 * row.block_bytes / row.block_elements;
}

// "blk.7.attn_v.weight" → 7.
std::optional<int64_t> layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  int64_t layer = 0;
  const char* begin = name.data() + kPrefix.size();
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), layer);
  if (error != std::errc() || end == begin || layer < 0) return std::nullopt;
  return layer;
}

bool is_output(const TensorEntry& tensor, const ModelTensors& model) {
  return tensor.name == "output.weight" || (model.has_tied_output && tensor.name == "token_embd.weight");
}

// The layers that llama.cpp's mixes spend more bits on: the first and last eighths, and every third between.
bool is_sensitive_layer(int64_t layer, int64_t layer_count) {
  const int64_t eighth = layer_count / 8;
  return layer < eighth || layer >= 7 * layer_count / 8 || (layer - eighth) % 3 == 2;
}

// What the mixes of llama.cpp ("_s", "_m") do beyond their base type.
ElementType mixed_type(const TypeMix& mix, const TensorEntry& tensor, const ModelTensors& model) {
  if (is_output(tensor, model) && bits_per_element(mix.base) < bits_per_element(ElementType::kQ6_K)) {
    return ElementType::kQ6_K;
  }
  const std::optional<int64_t> layer = layer_of(tensor.name);
  if (!layer) return mix.base;
  const bool is_value = tensor.name.find(".attn_v.") != std::string::npos;
  const bool is_joint = tensor.name.find(".attn_qkv.") != std::string::npos;
  const bool is_down = tensor.name.find(".ffn_down") != std::string::npos;
  if (mix.name == "q4_k_m" || mix.name == "q5_k_m") {
    if ((is_value || is_down) && is_sensitive_layer(*layer, model.layer_count)) return ElementType::kQ6_K;
    if (is_joint) return mix.base == ElementType::kQ4_K ? ElementType::kQ5_K : ElementType::kQ6_K;
  }
  if (mix.name == "q4_k_s") {
    if (is_value && *layer < 4) return ElementType::kQ5_K;
    if (is_down && *layer < model.layer_count / 8) return ElementType::kQ5_K;
  }
  return mix.base;
}

// The format of blocks of 32 that is nearest in size among those that lose about as little: on normal weights Q4_0 and
// Q4_1 have a larger error than Q4_K by 20 and 10 %, Q5_0 a smaller one. llama.cpp chooses the same.
ElementType narrow_blocks(ElementType type) {
  switch (type) {
    case ElementType::kQ4_K:
      return ElementType::kQ5_0;
    case ElementType::kQ5_K:
      return ElementType::kQ5_1;
    default:
      return ElementType::kQ8_0;
  }
}

bool holds_blocks(const Shape& shape, ElementType type) { return shape.innermost() % info(type).block_elements == 0; }

}  // namespace

std::span<const TypeMix> type_mixes() { return kMixes; }

const TypeMix& type_mix(std::string_view name) {
  std::string known;
  for (const TypeMix& mix : kMixes) {
    if (mix.name == name) return mix;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", mix.name);
  }
  throw Error(ErrorCode::kInvalidArgument, fmt::format("the type \"{}\" is not known; known: {}", name, known));
}

const TypeMix* plain_type_mix(ElementType type) {
  const auto found =
      std::find_if(std::begin(kMixes), std::end(kMixes), [&](const TypeMix& mix) { return mix.base == type; });
  return found == std::end(kMixes) ? nullptr : found;
}

ModelTensors describe_tensors(const std::vector<TensorEntry>& gguf_tensors) {
  ModelTensors model{.has_tied_output = true};
  for (const TensorEntry& tensor : gguf_tensors) {
    if (const auto layer = layer_of(tensor.name)) model.layer_count = std::max(model.layer_count, *layer + 1);
    if (tensor.name == "output.weight") model.has_tied_output = false;
  }
  return model;
}

TypeChoice choose_type(const TypeMix& mix, const TensorEntry& tensor, const ModelTensors& model) {
  if (!is_floating(tensor.type)) return {tensor.type, std::nullopt};
  if (!is_matrix(tensor)) return {ElementType::kF32, std::nullopt};
  const ElementType wanted = mixed_type(mix, tensor, model);
  if (holds_blocks(tensor.shape, wanted)) return {wanted, std::nullopt};
  if (info(wanted).block_elements > 32 && holds_blocks(tensor.shape, narrow_blocks(wanted))) {
    return {narrow_blocks(wanted), wanted};
  }
  return {ElementType::kF16, wanted};
}

bool is_floating(ElementType type) { return can_decode(type); }

bool is_matrix(const TensorEntry& gguf_tensor) {
  const auto holds = [&](std::string_view part) { return gguf_tensor.name.find(part) != std::string::npos; };
  return gguf_tensor.shape.rank() >= 2 && gguf_tensor.name.ends_with(".weight") &&
         std::none_of(std::begin(kKeptParts), std::end(kKeptParts), holds);
}

}  // namespace pelton
