#include "model/adapter_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "io/in_quotes.h"
#include "model/row_order.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

// The same numbers in another shape.
Tensor reshaped(const Tensor& tensor, Shape shape) {
  Tensor copy = Tensor::f32(shape);
  std::copy_n(tensor.floats(), tensor.shape().element_count(), copy.mutable_floats());
  return copy;
}

bool is_moved(const AdaptableTensor::Part& part, const Model& base, WeightNaming naming) {
  return part.place.has_head_rows && base.architecture->interleaves_heads_in_gguf && naming != base.naming;
}

}  // namespace

AdaptableTensors adaptable_tensors(const Model& base, WeightNaming naming) {
  std::set<std::string, std::less<>> linear;
  std::set<std::string, std::less<>> others;
  for (const LayerCall& call : base.graph.calls) {
    if (!call.weight.empty()) (std::holds_alternative<LinearCall>(call.kind) ? linear : others).insert(call.weight);
  }
  const WeightPlaces places = weight_places(base.graph, base.architecture->weight_names, naming);
  AdaptableTensors tensors;
  for (const auto& [weight, place] : places) {
    if (!linear.contains(weight) || others.contains(weight)) continue;
    AdaptableTensor& tensor = tensors[place.tensor];
    tensor.row_count = place.tensor_shape[place.is_transposed ? 1 : 0];
    tensor.columns = place.tensor_shape[place.is_transposed ? 0 : 1];
    tensor.parts.push_back({weight, place, base.weights.at(weight).shape()[0]});
  }
  return tensors;
}

const AdaptableTensor& find_adaptable(const AdaptableTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("the adapter changes {}, which is no matrix of this base that adapters may change: linear "
                          "layers may, embedding tables and what they share with the output may not",
                          in_quotes(name)));
}

Tensor rows_of_part(const Tensor& whole, const AdaptableTensor::Part& part, const Model& base, WeightNaming naming) {
  const RowOrder order = !is_moved(part, base, naming)        ? RowOrder::kSame
                         : base.naming == WeightNaming::kGguf ? RowOrder::kInterleave
                                                              : RowOrder::kDeinterleave;
  const int64_t width = whole.shape()[1];
  Tensor rows = Tensor::f32({part.row_count, width});
  for (int64_t row = 0; row < part.row_count; ++row) {
    std::copy_n(whole.floats() + part.place.tensor_row(source_row(order, row, base.spec.head_width)) * width, width,
                rows.mutable_floats() + row * width);
  }
  return rows;
}

void put_rows_of_part(const Tensor& rows, const AdaptableTensor::Part& part, const Model& base, WeightNaming naming,
                      Tensor& whole) {
  const RowOrder order = !is_moved(part, base, naming)   ? RowOrder::kSame
                         : naming == WeightNaming::kGguf ? RowOrder::kInterleave
                                                         : RowOrder::kDeinterleave;
  const int64_t width = whole.shape()[1];
  for (int64_t row = 0; row < part.row_count; ++row) {
    std::copy_n(rows.floats() + source_row(order, row, base.spec.head_width) * width, width,
                whole.mutable_floats() + part.place.tensor_row(row) * width);
  }
}

Tensor matrix_of_one_column(const Tensor& vector) { return reshaped(vector, {vector.shape().element_count(), 1}); }
Tensor as_vector(const Tensor& matrix) { return reshaped(matrix, {matrix.shape().element_count()}); }

Tensor decoded_tensor(const Tensor& tensor, std::string_view name) {
  if (!can_decode(tensor.type())) {
    throw Error(ErrorCode::kUnsupported, fmt::format("the tensor {} is of type {}, which cannot hold weights",
                                                     in_quotes(name), element_type_name(tensor.type())));
  }
  Tensor values = Tensor::f32(tensor.shape());
  decode_function(tensor.type())(tensor.data(), values.mutable_floats(), tensor.shape().element_count());
  return values;
}

bool has_same_numbers(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), static_cast<size_t>(a.size_bytes())) == 0;
}

}  // namespace pelton
