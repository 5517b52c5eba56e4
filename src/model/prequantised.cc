#include "model/prequantised.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <optional>
#include <set>

#include "base/error.h"
#include "io/in_quotes.h"
#include "model/prequantised/method.h"
#include "ops/executor.h"
#include "quant/blocks.h"
#include "quant/half.h"

namespace pelton {
namespace prequantised {
namespace {

constexpr const Method* kMethods[] = {&kGptq, &kAwq, &kCompressedTensors, &kFp8, &kBitsAndBytes, &kMxfp4};

// Null: the configuration has no `quantization_config`.
const json::object* quantisation_of(const json::object& config) {
  return JsonReader(config, "config.json").object("quantization_config");
}

const Method& method_of(const json::object& quantisation) {
  const std::string name = reader_of(quantisation).string("quant_method").value_or("missing");
  std::string known;
  for (const Method* method : kMethods) {
    if (method->name == name) return *method;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", method->name);
  }
  refuse(fmt::format("quant_method {} (supported: {})", in_quotes(name), known));
}

constexpr int64_t kBlock = 32;

// --- which format holds integers times scales

bool is_exact_f16(float value) { return std::abs(value) <= 65504.0f && f32_from_f16(f16_from_f32(value)) == value; }

struct Range16 {
  int16_t min, max;
};

// Of `count` values.
Range16 range_of(const int16_t* values, int64_t count) {
  const auto [min, max] = std::minmax_element(values, values + count);
  return {*min, *max};
}

// Calls body(values, scale) for each block, in the order of a tensor's blocks, until it says false.
template <typename Body>
bool all_blocks(const GroupedIntegers& weights, Body body) {
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t column = 0; column < weights.columns; column += kBlock) {
      const float scale =
          weights.scales[static_cast<size_t>(row * weights.group_count() + column / weights.group_size)];
      if (!body(weights.values.data() + row * weights.columns + column, scale)) return false;
    }
  }
  return true;
}

// Whether all values of all blocks lie in [min, max].
bool fits(const GroupedIntegers& weights, int min, int max) {
  return all_blocks(weights, [&](const int16_t* values, float) {
    const Range16 range = range_of(values, kBlock);
    return range.min >= min && range.max <= max;
  });
}

// A value is scale · code + offset: the least value of the block is its offset.
bool fits_q4_1(const GroupedIntegers& weights) {
  return all_blocks(weights, [&](const int16_t* values, float scale) {
    const Range16 range = range_of(values, kBlock);
    return range.max - range.min <= 15 && is_exact_f16(scale * static_cast<float>(range.min));
  });
}

uint8_t nibbles(int low, int high) { return static_cast<uint8_t>(low | high << 4); }

std::byte* put_f16(std::byte* target, float value) {
  const uint16_t bits = f16_from_f32(value);
  std::memcpy(target, &bits, sizeof bits);
  return target + sizeof bits;
}

std::byte* put_nibbles(std::byte* target, const int16_t* values, int offset) {
  for (int64_t i = 0; i < kBlock / 2; ++i) {
    *target++ = static_cast<std::byte>(nibbles(values[i] - offset, values[i + kBlock / 2] - offset));
  }
  return target;
}

template <typename Put>
Tensor in_blocks(const GroupedIntegers& weights, ElementType type, Put put) {
  Tensor tensor(type, {weights.rows, weights.columns});
  std::byte* target = tensor.mutable_data();
  all_blocks(weights, [&](const int16_t* values, float scale) {
    target = put(put_f16(target, scale), values, scale);
    return true;
  });
  return tensor;
}

Tensor as_floats(const GroupedIntegers& weights) {
  Tensor tensor = Tensor::f32({weights.rows, weights.columns});
  for (int64_t row = 0; row < weights.rows; ++row) {
    for (int64_t column = 0; column < weights.columns; ++column) {
      const int64_t at = row * weights.columns + column;
      tensor.mutable_floats()[at] =
          weights.scales[static_cast<size_t>(row * weights.group_count() + column / weights.group_size)] *
          static_cast<float>(weights.values[static_cast<size_t>(at)]);
    }
  }
  return tensor;
}

}  // namespace

Tensor exact_tensor(const GroupedIntegers& weights) {
  const bool has_blocks = weights.columns % kBlock == 0 && weights.group_size % kBlock == 0 &&
                          std::all_of(weights.scales.begin(), weights.scales.end(), is_exact_f16);
  if (has_blocks && fits(weights, -8, 7)) {
    return in_blocks(weights, ElementType::kQ4_0,
                     [](std::byte* target, const int16_t* values, float) { return put_nibbles(target, values, -8); });
  }
  if (has_blocks && fits_q4_1(weights)) {
    return in_blocks(weights, ElementType::kQ4_1, [](std::byte* target, const int16_t* values, float scale) {
      const int16_t least = range_of(values, kBlock).min;
      return put_nibbles(put_f16(target, scale * static_cast<float>(least)), values, least);
    });
  }
  if (has_blocks && fits(weights, -128, 127)) {
    return in_blocks(weights, ElementType::kQ8_0, [](std::byte* target, const int16_t* values, float) {
      return std::transform(values, values + kBlock, target,
                            [](int16_t value) { return static_cast<std::byte>(value); });
    });
  }
  return exact_tensor(as_floats(weights));
}

Tensor exact_tensor(const Tensor& floats) {
  const int64_t count = floats.shape().element_count();
  const auto is_bf16 = [](float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return (bits & 0xFFFF) == 0;
  };
  if (!std::all_of(floats.floats(), floats.floats() + count, is_bf16)) return floats;
  Tensor tensor(ElementType::kBF16, floats.shape());
  encode_function(ElementType::kBF16)(floats.floats(), tensor.mutable_data(), count);
  return tensor;
}

void refuse(std::string_view what) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("config.json: quantization_config: {} is not supported; ways out: the folder of the model "
                          "that was quantised, a GGUF of it, or transformers' dequantize() and save_pretrained()",
                          what));
}

JsonReader reader_of(const json::object& config) { return JsonReader(config, "config.json: quantization_config"); }

int supported_bits(std::optional<int64_t> found, std::initializer_list<int> supported) {
  for (const int bits : supported) {
    if (found == bits) return bits;
  }
  refuse(found ? fmt::format("a width of {} bits", *found) : "an unnamed width of bits");
}

int64_t group_size_of(std::optional<int64_t> found, int64_t columns) {
  return found.value_or(-1) == -1 ? columns : *found;
}

// --- tensors of a module

void ModuleTensors::fail(std::string_view part, std::string_view reason) const {
  throw Error(ErrorCode::kCorruptFile, fmt::format("the tensor {} {}", in_quotes(name(part)), reason));
}

Tensor ModuleTensors::at(std::string_view part) const {
  std::optional<Tensor> tensor = source_.find(name(part));
  if (!tensor) fail(part, fmt::format("is missing beside the others of {}", in_quotes(module_)));
  return *tensor;
}

std::vector<int32_t> ModuleTensors::integers(std::string_view part, const Shape& shape) const {
  const Tensor tensor = at(part);
  if (tensor.type() != ElementType::kI32 || tensor.shape() != shape) {
    fail(part, fmt::format("is {} {}; expected i32 {}", element_type_name(tensor.type()), tensor.shape().to_string(),
                           shape.to_string()));
  }
  std::vector<int32_t> values(static_cast<size_t>(shape.element_count()));
  std::memcpy(values.data(), tensor.data(), values.size() * sizeof(int32_t));
  return values;
}

std::vector<float> ModuleTensors::floats(std::string_view part, const Shape& shape) const {
  const Tensor tensor = at(part);
  if (!can_decode(tensor.type()) || tensor.shape() != shape) {
    fail(part, fmt::format("is {} {}; expected floats {}", element_type_name(tensor.type()), tensor.shape().to_string(),
                           shape.to_string()));
  }
  std::vector<float> values(static_cast<size_t>(shape.element_count()));
  decode_function(tensor.type())(tensor.data(), values.data(), shape.element_count());
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    fail(part, "holds a value that is not finite");
  }
  return values;
}

namespace {

// The module that a tensor of this suffix belongs to; none: its name ends otherwise.
std::optional<std::string> module_of(const Method& method, std::string_view suffix, std::string_view tensor) {
  const std::string ending = std::string(method.separator) + std::string(suffix);
  if (!tensor.ends_with(ending)) return std::nullopt;
  return std::string(tensor.substr(0, tensor.size() - ending.size()));
}

class DequantisedTensors final : public TensorSource {
 public:
  DequantisedTensors(const json::object& config, const Method& method, std::shared_ptr<const TensorSource> source)
      : source_(std::move(source)) {
    std::set<std::string> modules;
    for (const TensorEntry& entry : source_->entries()) {
      if (auto module = module_of(method, method.suffixes.front(), entry.name)) modules.insert(std::move(*module));
    }
    for (const TensorEntry& entry : source_->entries()) {
      if (!belongs_to_set(method, modules, entry.name)) entries_.push_back(entry);
    }
    decode_all(config, method, {modules.begin(), modules.end()});
  }

  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    const auto found = weights_.find(name);
    if (found != weights_.end()) return found->second;
    return source_->find(name);
  }

 private:
  static bool belongs_to_set(const Method& method, const std::set<std::string>& modules, std::string_view name) {
    return std::any_of(method.suffixes.begin(), method.suffixes.end(), [&](std::string_view suffix) {
      const auto module = module_of(method, suffix, name);
      return module && modules.contains(*module);
    });
  }

  // Modules are shared out among the machine's cores; of several that fail, the first one's error is thrown.
  void decode_all(const json::object& config, const Method& method, const std::vector<std::string>& modules) {
    std::vector<Tensor> weights(modules.size());
    std::vector<std::exception_ptr> failures(modules.size());
    Executor executor(0);
    executor.parallel_for(std::ssize(modules), 1, [&](Range range) {
      for (auto i = static_cast<size_t>(range.begin); i < static_cast<size_t>(range.end); ++i) {
        try {
          weights[i] = method.decode(config, ModuleTensors(*source_, modules[i], method.separator));
        } catch (...) {
          failures[i] = std::current_exception();
        }
      }
    });
    for (size_t i = 0; i < modules.size(); ++i) {
      if (failures[i]) std::rethrow_exception(failures[i]);
      const std::string name = modules[i] + std::string(method.weight_suffix);
      entries_.push_back({name, weights[i].type(), weights[i].shape()});
      weights_.emplace(name, std::move(weights[i]));
    }
  }

  std::shared_ptr<const TensorSource> source_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, Tensor, std::less<>> weights_;
};

}  // namespace
}  // namespace prequantised

namespace {

// A value of a wrong type is an argument's fault in a request, and the file's here.
template <typename Read>
auto read_from_file(Read read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    throw Error(ErrorCode::kCorruptFile, error.message());
  }
}

}  // namespace

std::string quantisation_name(const json::object& config) {
  return read_from_file([&]() -> std::string {
    const json::object* quantisation = prequantised::quantisation_of(config);
    if (quantisation == nullptr) return "";
    const prequantised::Method& method = prequantised::method_of(*quantisation);
    return fmt::format("{}, {}", method.name, method.describe(*quantisation));
  });
}

std::shared_ptr<const TensorSource> dequantised_tensors(const json::object& config,
                                                        std::shared_ptr<const TensorSource> source) {
  return read_from_file([&]() -> std::shared_ptr<const TensorSource> {
    const json::object* quantisation = prequantised::quantisation_of(config);
    if (quantisation == nullptr) return source;
    const prequantised::Method& method = prequantised::method_of(*quantisation);
    method.describe(*quantisation);  // refuses options
    return std::make_shared<prequantised::DequantisedTensors>(*quantisation, method, std::move(source));
  });
}

}  // namespace pelton
