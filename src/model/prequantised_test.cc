#include "model/prequantised.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/rng.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/convert.h"
#include "model/model.h"
#include "model/prequantised/method.h"
#include "model/verify.h"
#include "quant/blocks.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) { return fs::path(kGoldenDir) / "prequantised" / name; }

std::shared_ptr<const Model> load(const fs::path& folder) {
  return load_hugging_face_model(folder, read_hf_folder(folder).config);
}

struct Case {
  std::string folder;
  ElementType type;       // of its matrices
  std::string described;  // what people read
};

class Prequantised : public testing::TestWithParam<Case> {};

// The matrices are the ones that the specification gives, bit for bit, and so are the logits up to rounding.
TEST_P(Prequantised, IsExactlyWhatItsSpecificationSays) {
  const Case& test = GetParam();
  const auto expected = SafetensorsFile::open(golden(test.folder) / "expected.safetensors");
  const json::object config = read_hf_folder(golden(test.folder)).config;
  const auto tensors = dequantised_tensors(config, open_safetensors_folder(golden(test.folder)));
  int compared = 0;
  for (const TensorEntry& entry : expected->entries()) {
    if (!entry.name.starts_with("weight.")) continue;
    const auto found = tensors->find(entry.name.substr(7));
    ASSERT_TRUE(found) << entry.name;
    EXPECT_EQ(found->type(), test.type) << element_type_name(found->type());
    ASSERT_EQ(found->shape(), entry.shape);
    std::vector<float> values(static_cast<size_t>(entry.shape.element_count()));
    decode_function(found->type())(found->data(), values.data(), entry.shape.element_count());
    const float* wanted = expected->find(entry.name)->floats();
    for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], wanted[i]) << entry.name << " at " << i;
    ++compared;
  }
  EXPECT_EQ(compared, 2);
  Executor executor(2);
  EXPECT_TRUE(verify_model(executor, load(golden(test.folder)), *expected, {}).passed);
  EXPECT_EQ(quantisation_name(config), test.described);
}

INSTANTIATE_TEST_SUITE_P(Golden, Prequantised,
                         testing::Values(Case{"gptq", ElementType::kQ8_0, "gptq, 4 bits, groups of 32"},
                                         Case{"gptq-symmetric", ElementType::kQ4_0, "gptq, 4 bits, groups of 32"},
                                         Case{"gptq-v2-act-order", ElementType::kF32, "gptq, 4 bits, groups of 32"},
                                         Case{"gptq-8-bits", ElementType::kQ8_0, "gptq, 8 bits, groups of 32"},
                                         Case{"awq", ElementType::kQ8_0, "awq, 4 bits, groups of 32"},
                                         Case{"compressed-int4", ElementType::kQ4_0, "compressed-tensors, 4 bits"},
                                         Case{"compressed-int4-zeros", ElementType::kQ4_1,
                                              "compressed-tensors, 4 bits"},
                                         Case{"compressed-int8", ElementType::kQ8_0, "compressed-tensors, 8 bits"},
                                         Case{"compressed-w8a8", ElementType::kF32, "compressed-tensors, 8 bits"},
                                         Case{"compressed-fp8", ElementType::kF32, "compressed-tensors, e4m3"},
                                         Case{"compressed-fp8-powers", ElementType::kBF16, "compressed-tensors, e4m3"},
                                         Case{"fp8-blocks", ElementType::kF32, "fp8, e4m3, blocks of 32 by 24"},
                                         Case{"bitsandbytes-nf4", ElementType::kBF16, "bitsandbytes, nf4, 4 bits"},
                                         Case{"bitsandbytes-nf4-plain", ElementType::kF32, "bitsandbytes, nf4, 4 bits"},
                                         Case{"mxfp4", ElementType::kMXFP4, "mxfp4, 4 bits, blocks of 32"}),
                         [](const auto& test) {
                           std::string name = test.param.folder;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(PrequantisedFolder, ConvertsToGgufAndToAFolderWithoutTheQuantisation) {
  const TestFolder work;
  for (const char* destination : {"m.gguf", "folder"}) {
    Executor executor(2);
    ConvertOptions options;
    options.source = golden("gptq-symmetric");
    options.destination = work.path() / destination;
    convert_model(executor, options);
  }
  const auto expected = SafetensorsFile::open(golden("gptq-symmetric") / "expected.safetensors");
  Executor executor(2);
  const auto from_gguf = load_gguf_model(*GgufFile::open(work.path() / "m.gguf"));
  EXPECT_EQ(from_gguf->weights.at("layers.0.mlp.up").type(), ElementType::kQ4_0);
  EXPECT_TRUE(verify_model(executor, from_gguf, *expected, {}).passed);
  EXPECT_FALSE(read_hf_folder(work.path() / "folder").config.contains("quantization_config"));
  EXPECT_TRUE(verify_model(executor, load(work.path() / "folder"), *expected, {}).passed);
}

TEST(PrequantisedFolder, InMxfp4BecomesNoFolderOfAnotherType) {
  const TestFolder work;
  Executor executor(1);
  ConvertOptions options;
  options.source = golden("mxfp4");
  options.destination = work.path() / "folder";
  expect_error([&] { convert_model(executor, options); }, ErrorCode::kUnsupported, {"MXFP4", ".gguf"});
}

TEST(ExactTensor, TakesTheSmallestTypeThatHoldsAll) {
  prequantised::GroupedIntegers weights{1, 64, 32, {}, {0.5f, 0.25f}};
  for (int16_t i = 0; i < 64; ++i) weights.values.push_back(static_cast<int16_t>(i % 16 - 8));
  EXPECT_EQ(exact_tensor(weights).type(), ElementType::kQ4_0);
  for (size_t i = 0; i < 32; ++i) weights.values[i] = static_cast<int16_t>(weights.values[i] + 20);
  EXPECT_EQ(exact_tensor(weights).type(), ElementType::kQ4_1);
  weights.values[0] = -100;
  EXPECT_EQ(exact_tensor(weights).type(), ElementType::kQ8_0);
  weights.values[0] = 200;  // beyond int8; all values are small multiples of powers of two
  EXPECT_EQ(exact_tensor(weights).type(), ElementType::kBF16);
  weights.values[0] = 0;
  weights.scales[1] = 0.1f;  // no F16
  EXPECT_EQ(exact_tensor(weights).type(), ElementType::kF32);
  weights.scales[1] = 0.25f;
  weights.group_size = 16;
  weights.scales = {1, 1, 1, 1};
  EXPECT_EQ(exact_tensor(weights).type(), ElementType::kBF16);
}

// --- what is refused

class PrequantisedRefuses : public testing::Test {
 protected:
  // The golden folder with another value in its quantization_config.
  void expect_option(const std::string& folder, const char* key, const json::value& value,
                     const std::vector<std::string>& parts, ErrorCode code = ErrorCode::kUnsupported) {
    json::object config = read_hf_folder(golden(folder)).config;
    config["quantization_config"].as_object()[key] = value;
    expect_error([&] { load_with(folder, config); }, code, parts);
  }
  static void load_with(const std::string& folder, const json::object& config) {
    load_hugging_face_model(golden(folder), config);
  }
  // The golden folder with one tensor changed; null: without it.
  void expect_tensor(const std::string& folder, const std::string& name, const std::optional<Tensor>& changed,
                     const std::vector<std::string>& parts) {
    const auto source = open_safetensors_folder(golden(folder));
    std::vector<NamedTensor> tensors;
    for (const TensorEntry& entry : source->entries()) {
      if (entry.name != name) {
        tensors.push_back({entry.name, *source->find(entry.name)});
      } else if (changed) {
        tensors.push_back({name, *changed});
      }
    }
    const TestFolder work;
    write_safetensors(work.path() / "model.safetensors", tensors);
    expect_error([&] { load_hugging_face_model(work.path(), read_hf_folder(golden(folder)).config); },
                 ErrorCode::kCorruptFile, parts);
  }
};

TEST_F(PrequantisedRefuses, MethodsAndOptionsByName) {
  expect_option("gptq", "quant_method", "aqlm", {"aqlm", "gptq, awq", "ways out"});
  expect_option("gptq", "quant_method", nullptr, {"missing"});
  expect_option("gptq", "bits", 3, {"3 bits", "ways out"});
  expect_option("gptq", "bits", "4", {"bits"}, ErrorCode::kCorruptFile);
  expect_option("gptq", "checkpoint_format", "marlin", {"marlin"});
  expect_option("gptq", "group_size", 0, {"group_size"});
  expect_option("awq", "version", "gemv", {"gemv"});
  expect_option("compressed-int4", "format", "marlin-24", {"marlin-24"});
  expect_option("compressed-int4", "config_groups", json::object(), {"config_groups"});
  expect_option("compressed-int4", "quantization_status", "calibration", {"calibration"});
  expect_option("compressed-int4", "sparsity_config", {{"format", "sparse-bitmask"}}, {"sparse-bitmask"});
  expect_option("fp8-blocks", "fmt", "e5m2", {"e5m2"});
  expect_option("fp8-blocks", "weight_block_size", {0, 24}, {"weight_block_size"}, ErrorCode::kCorruptFile);
  expect_option("bitsandbytes-nf4", "load_in_8bit", true, {"8 bits"});
  expect_option("bitsandbytes-nf4", "bnb_4bit_quant_type", "int4", {"int4"});
}

TEST_F(PrequantisedRefuses, SetsOfTensorsThatDoNotFit) {
  const std::string module = "model.layers.0.mlp.down_proj";
  const Tensor pair(ElementType::kI32, {2, 3});
  const auto filled = [](ElementType type, Shape shape, uint8_t byte) {
    Tensor tensor(type, shape);
    std::memset(tensor.mutable_data(), byte, static_cast<size_t>(tensor.size_bytes()));
    return tensor;
  };
  for (const char* part : {"qzeros", "scales"}) {
    for (const char* folder : {"gptq", "awq"}) {
      expect_tensor(folder, module + "." + part, std::nullopt, {module, part, "missing"});
      expect_tensor(folder, module + "." + part, pair, {module, part});
    }
  }
  expect_tensor("gptq", module + ".qweight", Tensor::f32({12, 64}), {"qweight", "f32"});
  expect_tensor("gptq", module + ".qweight", pair, {"qweight"});
  expect_tensor("gptq", module + ".g_idx", filled(ElementType::kI32, {96}, 0x7F), {"g_idx", "of 3"});
  expect_tensor("gptq", module + ".g_idx", filled(ElementType::kI32, {96}, 0xFF), {"g_idx", "-1"});
  expect_tensor("gptq", module + ".scales", filled(ElementType::kF16, {3, 64}, 0x7C), {"scales", "finite"});
  expect_tensor("compressed-int4", module + ".weight_shape", filled(ElementType::kI64, {2}, 0x7F), {"weight_shape"});
  expect_tensor("compressed-int4", module + ".weight_shape", filled(ElementType::kI64, {2}, 0xFF), {"weight_shape"});
  expect_tensor("compressed-int4", module + ".weight_scale", Tensor::f32({64, 5}), {"weight_scale", "[64, 5]"});
  expect_tensor("compressed-int4-zeros", module + ".weight_zero_point", pair, {"weight_zero_point"});
  expect_tensor("compressed-fp8", module + ".weight", filled(ElementType::kF8E4M3, {64, 96}, 0x7F),
                {"weight", "finite"});
  expect_tensor("fp8-blocks", module + ".weight_scale_inv", Tensor::f32({2, 3}), {"weight_scale_inv", "[2, 3]"});
  const std::string experts = "model.layers.0.mlp.experts.down_proj";
  expect_tensor("mxfp4", experts + "_scales", std::nullopt, {experts, "scales", "missing"});
  expect_tensor("mxfp4", experts + "_scales", filled(ElementType::kU8, {3, 64, 2}, 120), {"scales", "[3, 64, 1]"});
  expect_tensor("mxfp4", experts + "_scales", filled(ElementType::kU8, {3, 64, 1}, 0xFF), {"scales", "finite"});
  expect_tensor("mxfp4", experts + "_blocks", Tensor::f32({3, 64, 1, 16}), {"blocks", "f32"});
  expect_tensor("mxfp4", experts + "_blocks", filled(ElementType::kU8, {3, 64, 16}, 0), {"blocks", "[3, 64, 16]"});
  expect_tensor("bitsandbytes-nf4", module + ".weight", filled(ElementType::kU8, {5}, 0), {"weight", "3072 bytes"});
  expect_tensor("bitsandbytes-nf4", module + ".weight.absmax", std::nullopt, {"absmax", "missing"});
  expect_tensor("bitsandbytes-nf4", module + ".weight.nested_absmax", Tensor::f32({2}), {"nested_absmax", "[2]"});
  expect_tensor("bitsandbytes-nf4", module + ".weight.quant_state.bitsandbytes__nf4",
                filled(ElementType::kU8, {5}, '{'), {"quant_state"});
}

// Any damage to the bytes of a checkpoint is an Error or another model, never anything worse.
TEST(PrequantisedHostile, DamagedTensorsAreReadOrRefused) {
  for (const char* name : {"gptq", "gptq-v2-act-order", "awq", "compressed-int4-zeros", "compressed-w8a8",
                           "compressed-fp8", "fp8-blocks", "bitsandbytes-nf4", "mxfp4"}) {
    const json::object config = read_hf_folder(golden(name)).config;
    const std::string bytes = read_file(golden(name) / "model.safetensors", 1 << 20);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    Rng rng(7);
    for (int round = 0; round < 20; ++round) {
      std::string damaged = bytes;
      for (int i = 0; i < 200; ++i) {
        const size_t at = 8 + header + static_cast<size_t>(rng.next_below(bytes.size() - 8 - header));
        damaged[at] = static_cast<char>(rng.next());
      }
      try {
        const auto file = SafetensorsFile::parse(std::as_bytes(std::span(damaged)), "damaged");
        dequantised_tensors(config, file);
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace pelton
