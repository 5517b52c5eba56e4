// What methods of quantisation share. Each says in a file of its own how it packs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "io/tensor_source.h"
#include "tensor/tensor.h"

namespace pelton::prequantised {

// The tensors of one module, read by what follows its name: "qweight" of "model.layers.0.mlp.up_proj.qweight". Lives
// as long as the source.
class ModuleTensors {
 public:
  // separator: between the module's name and what follows.
  ModuleTensors(const TensorSource& source, std::string module, std::string_view separator)
      : source_(source), module_(std::move(module)), separator_(separator) {}

  const std::string& module() const { return module_; }
  bool has(std::string_view part) const { return source_.find(name(part)).has_value(); }
  // Error kCorruptFile: it is missing.
  Tensor at(std::string_view part) const;
  // The same as integers or floats, row-major; kCorruptFile: it has another type or another shape.
  std::vector<int32_t> integers(std::string_view part, const Shape& shape) const;
  std::vector<float> floats(std::string_view part, const Shape& shape) const;
  [[noreturn]] void fail(std::string_view part, std::string_view reason) const;

 private:
  std::string name(std::string_view part) const { return module_ + std::string(separator_) + std::string(part); }

  const TensorSource& source_;
  std::string module_;
  std::string_view separator_;
};

// w = scale of its group · integer. Groups are runs of `group_size` columns, the last one may be shorter.
struct GroupedIntegers {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t group_size = 0;
  std::vector<int16_t> values;  // [rows, columns]
  std::vector<float> scales;    // [rows, groups]

  int64_t group_count() const { return (columns + group_size - 1) / group_size; }
};
// The smallest type that holds all values exactly, as the header of prequantised.h has it.
Tensor exact_tensor(const GroupedIntegers& weights);
// Floats as BF16 where that holds them exactly, else as they are.
Tensor exact_tensor(const Tensor& floats);

// Integer `index` of those packed from the lowest bits on into 32-bit words.
inline int32_t packed_at(const int32_t* words, int64_t index, int bits) {
  const int64_t each = 32 / bits;
  const uint32_t word = static_cast<uint32_t>(words[index / each]) >> (index % each * bits);
  return static_cast<int32_t>(word & ((uint32_t{1} << bits) - 1));
}

struct Method {
  std::string_view name;                   // `quant_method`
  std::vector<std::string_view> suffixes;  // of tensors that belong to a set; the first marks a module
  // For people: "4 bits, groups of 128". Errors: as below.
  std::string (*describe)(const json::object& config);
  // The weight of a module. Errors: kUnsupported, kCorruptFile.
  Tensor (*decode)(const json::object& config, const ModuleTensors& tensors);
  // Where one of the suffixes begins, and what the weight is called behind its module's name.
  std::string_view separator = ".";
  std::string_view weight_suffix = ".weight";
};
extern const Method kGptq;
extern const Method kAwq;
extern const Method kCompressedTensors;
extern const Method kFp8;
extern const Method kBitsAndBytes;
extern const Method kMxfp4;

// Error kUnsupported: `what` is not supported, and how to go on.
[[noreturn]] void refuse(std::string_view what);
JsonReader reader_of(const json::object& config);
// `bits` or the like. Error kUnsupported: none of these.
int supported_bits(std::optional<int64_t> found, std::initializer_list<int> supported);
// `group_size` of columns: −1 or absent is all of them.
int64_t group_size_of(std::optional<int64_t> found, int64_t columns);

}  // namespace pelton::prequantised
