// What an adapter's file may speak of: tensors of the base's file, by their names in one naming, and the matrices of
// the model that lie in them. Of adapter_files.cc and peft_ia3.cc only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "tensor/tensor.h"

namespace pelton {

struct AdaptableTensor {
  struct Part {
    std::string weight;
    WeightPlace place;
    int64_t row_count;
  };
  int64_t row_count = 0;  // N
  int64_t columns = 0;    // K
  std::vector<Part> parts;
};
using AdaptableTensors = std::map<std::string, AdaptableTensor, std::less<>>;

// All that there are: matrices that only linear layers read.
AdaptableTensors adaptable_tensors(const Model& base, WeightNaming naming);
// Error kUnsupported: the tensor is none of them.
const AdaptableTensor& find_adaptable(const AdaptableTensors& tensors, const std::string& name);

// Of numbers for the rows of a tensor of this naming [N, R] those of a part, in the order of the base's rows.
Tensor rows_of_part(const Tensor& whole, const AdaptableTensor::Part& part, const Model& base, WeightNaming naming);
// The same way back: assigns these rows of `whole`.
void put_rows_of_part(const Tensor& rows, const AdaptableTensor::Part& part, const Model& base, WeightNaming naming,
                      Tensor& whole);

// A vector as a matrix of one column, and back.
Tensor matrix_of_one_column(const Tensor& vector);
Tensor as_vector(const Tensor& matrix);

// In F32. Error kUnsupported, with the name: a type that holds no weights.
Tensor decoded_tensor(const Tensor& tensor, std::string_view name);
bool has_same_numbers(const Tensor& a, const Tensor& b);

}  // namespace pelton
