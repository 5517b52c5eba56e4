// A model's weights by canonical name: views into the files, checked against what the graph needs.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "io/tensor_source.h"
#include "model/arch.h"
#include "model/graph.h"
#include "tensor/tensor.h"

namespace pelton {

enum class WeightNaming { kHuggingFace, kGguf };

// How the names of an adapter's weights end (model/adapter.h), after that of the weight which they change. They lie in
// no file of the model.
constexpr std::string_view kLoraASuffix = ".lora_a";
constexpr std::string_view kLoraBSuffix = ".lora_b";
constexpr std::string_view kDoraFactorSuffix = ".dora_factor";
constexpr std::string_view kIa3Suffix = ".ia3";
bool is_adapter_weight(std::string_view name);

// Where a weight lies in files of one naming.
struct WeightPlace {
  std::string tensor;          // "model.layers.3.self_attn.q_proj.weight"
  Shape tensor_shape;          // more rows than the weight's where several share the tensor
  bool is_sliced = false;      // the tensor's first dimension is experts; what follows is said of one of them
  int64_t slice = 0;           // which
  int64_t first_row = 0;       // of the weight's among the tensor's
  int64_t row_step = 1;        // from one of them to the next
  bool is_transposed = false;  // the tensor is [in, out]; the rows above are its columns
  bool is_minus_one = false;   // it holds the weight less 1
  bool has_head_rows = false;  // WeightForm::kHeadRows
  // > 0: the weight's rows are in runs of so many, each `run_stride` rows after the one before it.
  int64_t run_rows = 0;
  int64_t run_stride = 0;

  // Where the weight's row lies among the tensor's.
  int64_t tensor_row(int64_t row) const {
    return first_row + (run_rows == 0 ? row * row_step : row / run_rows * run_stride + row % run_rows);
  }
};
// Which of the tensor's elements is the weight's in this row and column (0 of a vector).
int64_t element_in_tensor(const WeightPlace& place, int64_t row, int64_t column);
using WeightPlaces = std::map<std::string, WeightPlace, std::less<>>;
// Of each weight of the graph but adapters', by canonical name. CHECKs that the table has it.
WeightPlaces weight_places(const Graph& graph, std::span<const WeightName> names, WeightNaming naming);

// Immutable; keeps the files mapped.
class WeightSet {
 public:
  // Errors: kCorruptFile (a weight is missing or has another shape than the configuration says: both are named),
  // kUnsupported (an element type that cannot hold weights; a tensor that the graph does not use, such as a bias or a
  // layer too many: without it this would be another model).
  // unread_prefixes: of names that are let pass all the same.
  WeightSet(const Graph& graph, std::span<const WeightName> names, WeightNaming naming, const TensorSource& source,
            std::span<const std::string_view> unread_prefixes = {});

  // As it lies in the file, but for what its WeightForm says.
  const Tensor& at(std::string_view canonical) const;
  // The same with these in place of those of the same name, or beside them.
  WeightSet with(std::map<std::string, Tensor> others) const;
  // Decoded to float32: for vectors, which are small.
  Tensor decoded(std::string_view canonical) const;

 private:
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace pelton
