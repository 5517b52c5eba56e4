// How a file's tensors become the weights that a graph names: parts of fused ones, turned ones, ones less 1.
#include "model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/golden_dir.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/model.h"

namespace pelton {
namespace {

class Tensors final : public TensorSource {
 public:
  void add(const std::string& name, const Tensor& tensor) {
    tensors_.emplace(name, tensor);
    entries_.push_back({name, tensor.type(), tensor.shape()});
  }
  const std::vector<TensorEntry>& entries() const override { return entries_; }
  std::optional<Tensor> find(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::vector<TensorEntry> entries_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

Tensor counting(const Shape& shape) {
  Tensor tensor = Tensor::f32(shape);
  std::iota(tensor.mutable_floats(), tensor.mutable_floats() + shape.element_count(), 0.0f);
  return tensor;
}

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.floats(), tensor.floats() + tensor.shape().element_count()};
}

constexpr WeightName kNames[] = {
    {"embedding", "table", "t"},
    {"a", "fused", "f"},
    {"b", "fused", "f"},
    {"a.bias", "fused.bias", "f.bias"},
    {"b.bias", "fused.bias", "f.bias"},
    {"c", "turned", "c", WeightForm::kTransposedInHuggingFace},
    {"norm", "norm", "n", WeightForm::kMinusOneInHuggingFace},
};

Graph small_graph() {
  GraphBuilder graph;
  const ValueId x = graph.embedding("embedding", 3, 2);
  // In another order than the table, which is the file's.
  const ValueId b = graph.linear(x, "b", 1, Bias::kYes);
  const ValueId a = graph.linear(x, "a", 2, Bias::kYes);
  const ValueId n = graph.rms_norm(a, "norm", 1e-5f);
  return graph.finish(graph.add(graph.linear(n, "c", 1), b, "sum"));
}

Tensors small_file() {
  Tensors file;
  file.add("table", counting({3, 2}));
  file.add("fused", counting({3, 2}));
  file.add("fused.bias", counting({3}));
  file.add("turned", counting({2, 1}));
  file.add("norm", counting({2}));
  return file;
}

TEST(WeightSet, TakesPartsOfFusedTensorsInTheOrderOfTheTable) {
  const Tensors file = small_file();
  const WeightSet weights(small_graph(), kNames, WeightNaming::kHuggingFace, file);
  EXPECT_EQ(values_of(weights.at("a")), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(values_of(weights.at("b")), (std::vector<float>{4, 5}));
  EXPECT_EQ(weights.at("b").data(), file.find("fused")->row(2)) << "a view";
  EXPECT_EQ(values_of(weights.at("a.bias")), (std::vector<float>{0, 1}));
  EXPECT_EQ(values_of(weights.at("b.bias")), std::vector<float>{2});
}

TEST(WeightSet, TurnsAndAddsWhereTheFormSaysSo) {
  const WeightSet weights(small_graph(), kNames, WeightNaming::kHuggingFace, small_file());
  EXPECT_EQ(weights.at("c").shape(), (Shape{1, 2}));
  EXPECT_EQ(values_of(weights.at("c")), (std::vector<float>{0, 1}));
  EXPECT_EQ(values_of(weights.at("norm")), (std::vector<float>{1, 2}));
}

TEST(WeightSet, AFusedTensorOfTheWrongSizeIsNamed) {
  for (const Shape& shape : {Shape{4, 2}, Shape{2, 3}, Shape{3}}) {
    Tensors file;
    file.add("table", counting({3, 2}));
    file.add("fused", counting(shape));
    try {
      WeightSet(small_graph(), kNames, WeightNaming::kHuggingFace, file);
      FAIL() << shape.to_string();
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), testing::HasSubstr("the tensor fused has shape " + shape.to_string()));
    }
  }
}

TEST(WeightSet, BlocksCannotBeTurned) {
  GraphBuilder graph;
  const ValueId x = graph.embedding("embedding", 3, 32);
  Tensors file;
  file.add("table", counting({3, 32}));
  file.add("turned", Tensor(ElementType::kQ8_0, {32, 32}));
  EXPECT_THROW(WeightSet(graph.finish(graph.linear(x, "c", 32)), kNames, WeightNaming::kHuggingFace, file), Error);
}

// As the first GPT-2 models were published.
TEST(HuggingFaceModel, AFolderMayLeaveOutThePrefixOfAllNames) {
  const std::filesystem::path folder = std::filesystem::path(kGoldenDir) / "arch/gpt2";
  const auto source = open_safetensors_folder(folder);
  const json::object config = read_hf_folder(folder).config;
  Tensors without;
  for (const TensorEntry& entry : source->entries()) {
    without.add(entry.name.substr(std::string("transformer.").size()), *source->find(entry.name));
  }
  without.add("h.0.attn.bias", counting({1, 1, 128, 128}));
  const auto model = load_hugging_face_model(without, config);
  const auto expected = load_hugging_face_model(*source, config);
  EXPECT_EQ(values_of(model->weights.at("layers.1.mlp.up")), values_of(expected->weights.at("layers.1.mlp.up")));
}

}  // namespace
}  // namespace pelton
