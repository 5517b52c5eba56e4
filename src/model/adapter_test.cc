#include "model/adapter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/rng.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/gguf.h"
#include "io/gguf_writer.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/bundle.h"
#include "model/convert.h"
#include "model/decoder.h"
#include "model/differentiable.h"
#include "ops/cross_entropy.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) { return fs::path(kGoldenDir) / "arch" / name; }

Tensor random_tensor(Shape shape, Rng& rng) {
  Tensor tensor = Tensor::f32(shape);
  for (int64_t i = 0; i < shape.element_count(); ++i) tensor.mutable_floats()[i] = 0.2f * rng.next_symmetric();
  return tensor;
}

// A module that an adapter changes: [N, K] of the base, as linear layers mean it.
struct Target {
  std::string module;
  int64_t n, k, rank;
  float scale;  // what the configuration should come to
  bool is_transposed = false;
};

const std::vector<Target> kLlamaTargets = {
    {"model.layers.0.self_attn.q_proj", 64, 64, 4, 2.0f}, {"model.layers.0.self_attn.k_proj", 32, 64, 4, 2.0f},
    {"model.layers.1.self_attn.o_proj", 64, 64, 4, 2.0f}, {"model.layers.2.mlp.down_proj", 64, 96, 3, 4.0f},
    {"model.layers.2.mlp.up_proj", 96, 64, 4, 2.0f},
};
const json::object kLlamaConfig = {{"peft_type", "LORA"},
                                   {"r", 4},
                                   {"lora_alpha", 8},
                                   {"target_modules", {"q_proj"}},
                                   {"rank_pattern", {{"down_proj", 3}}},
                                   {"alpha_pattern", {{"layers.2.mlp.down_proj", 12.0}}}};
const std::vector<Target> kGpt2Targets = {{"transformer.h.0.attn.c_attn", 192, 64, 4, 4.0f, true},
                                          {"transformer.h.2.mlp.c_fc", 256, 64, 4, 4.0f, true}};
const json::object kGpt2Config = {{"peft_type", "LORA"}, {"r", 4}, {"lora_alpha", 8}, {"use_rslora", true}};

std::vector<NamedTensor> peft_tensors(const std::vector<Target>& targets) {
  Rng rng(5);
  std::vector<NamedTensor> tensors;
  for (const Target& target : targets) {
    const std::string prefix = "base_model.model." + target.module;
    tensors.push_back({prefix + ".lora_A.weight", random_tensor({target.rank, target.k}, rng)});
    tensors.push_back({prefix + ".lora_B.weight", random_tensor({target.n, target.rank}, rng)});
  }
  return tensors;
}

void write_peft(const fs::path& folder, const std::vector<NamedTensor>& tensors, const json::object& config) {
  fs::create_directories(folder);
  write_safetensors(folder / "adapter_model.safetensors", tensors);
  replace_file(folder / "adapter_config.json", json::serialize(config));
}

// The golden folder with W + scale · B A, summed in double: the definition.
void write_merged(const std::string& name, const std::vector<Target>& targets, const fs::path& folder) {
  fs::create_directories(folder);
  fs::copy_file(golden(name) / "config.json", folder / "config.json");
  const auto source = open_safetensors_folder(golden(name));
  const std::vector<NamedTensor> adapters = peft_tensors(targets);
  std::vector<NamedTensor> tensors;
  for (const TensorEntry& entry : source->entries()) {
    Tensor sum = Tensor::f32(entry.shape);
    std::copy_n(source->find(entry.name)->floats(), entry.shape.element_count(), sum.mutable_floats());
    for (size_t t = 0; t < targets.size(); ++t) {
      const Target& target = targets[t];
      if (entry.name != target.module + ".weight") continue;
      const float* a = adapters[2 * t].tensor.floats();
      const float* b = adapters[2 * t + 1].tensor.floats();
      for (int64_t i = 0; i < target.n; ++i) {
        for (int64_t j = 0; j < target.k; ++j) {
          double product = 0;
          for (int64_t r = 0; r < target.rank; ++r) {
            product += static_cast<double>(b[i * target.rank + r]) * static_cast<double>(a[r * target.k + j]);
          }
          sum.mutable_floats()[target.is_transposed ? j * target.n + i : i * target.k + j] +=
              static_cast<float>(static_cast<double>(target.scale) * product);
        }
      }
    }
    tensors.push_back({entry.name, std::move(sum)});
  }
  write_safetensors(folder / "model.safetensors", tensors);
}

TrainingBatch batch() {
  TrainingBatch result;
  result.offsets = {0, 7, 12};
  Rng rng(3);
  for (int i = 0; i < 12; ++i) {
    result.tokens.push_back(static_cast<int32_t>(rng.next_below(256)));
    result.targets.push_back(static_cast<int32_t>(rng.next_below(256)));
  }
  return result;
}

std::vector<float> logits(const std::shared_ptr<const Model>& model) {
  Executor executor(2);
  DifferentiableModel trained(executor, model);
  const std::span<const float> found = trained.forward(batch());
  return {found.begin(), found.end()};
}

// The sums of a few hundred float32 products in another order, through some layers.
void expect_close(const std::vector<float>& got, const std::vector<float>& expected, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size());
  float largest = 0, off = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    off = std::max(off, std::abs(got[i] - expected[i]));
  }
  EXPECT_LE(off, 1e-5f * largest) << what;
}

std::shared_ptr<const Model> load(const fs::path& path, const fs::path& adapter = {},
                                  AdapterMode mode = AdapterMode::kUnmerged) {
  if (adapter.empty()) return load_bundle(path.string())->model;
  return load_bundle(path.string(), AdapterChoice{adapter, mode})->model;
}

void convert(const fs::path& source, const fs::path& destination, const std::string& type = "") {
  Executor executor(2);
  ConvertOptions options;
  options.source = source;
  options.destination = destination;
  options.type = type;
  convert_model(executor, options);
}

struct Case {
  std::string base;
  std::vector<Target> targets;
  json::object config;
};

class AdapterOn : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    write_peft(work_.path() / "adapter", peft_tensors(GetParam().targets), GetParam().config);
    write_merged(GetParam().base, GetParam().targets, work_.path() / "merged");
    expected_ = logits(load(work_.path() / "merged"));
  }
  fs::path base() const { return golden(GetParam().base); }

  TestFolder work_;
  std::vector<float> expected_;
};

TEST_P(AdapterOn, IsTheBaseWithItsMatricesSummed) {
  const fs::path adapter = work_.path() / "adapter";
  expect_close(logits(load(base(), adapter)), expected_, "unmerged");
  expect_close(logits(load(base(), adapter, AdapterMode::kMerged)), expected_, "merged");
  convert(base(), work_.path() / "base.gguf");
  expect_close(logits(load(work_.path() / "base.gguf", adapter)), expected_, "unmerged on GGUF");
  expect_close(logits(load(work_.path() / "base.gguf", adapter, AdapterMode::kMerged)), expected_, "merged on GGUF");
  EXPECT_GT(std::abs(logits(load(base()))[0] - expected_[0]), 1e-3) << "the adapter changes nothing";
}

TEST_P(AdapterOn, IsWrittenAndReadBackInBothForms) {
  convert(base(), work_.path() / "base.gguf");
  for (const fs::path& origin : {base(), work_.path() / "base.gguf"}) {
    const auto model = load(origin);
    const Adapter adapter = read_adapter(work_.path() / "adapter", *model);
    const fs::path folder = work_.path() / ("again-" + origin.filename().string());
    write_peft_adapter(folder, adapter, *model);
    for (const fs::path& target : {base(), work_.path() / "base.gguf"}) {
      expect_close(logits(load(target, folder)), expected_, "PEFT");
    }
    expect_error([&] { write_peft_adapter(folder, adapter, *model); }, ErrorCode::kInvalidArgument, {"there already"});
    if (GetParam().base == "llama") continue;  // of several alphas
    const fs::path file = work_.path() / ("adapter-" + origin.filename().string() + ".gguf");
    write_gguf_adapter(file, adapter, *model);
    for (const fs::path& target : {base(), work_.path() / "base.gguf"}) {
      expect_close(logits(load(target, file)), expected_, "GGUF");
    }
  }
}

// With W' = W + s B A: dA = s Bᵀ dW' and dB = s dW' Aᵀ, and dW = dW'.
TEST_P(AdapterOn, HasTheGradientsOfTheSum) {
  Executor executor(2);
  const auto gradients = [&](const std::shared_ptr<const Model>& model) {
    DifferentiableModel trained(executor, model);
    trained.forward(batch());
    trained.backward();
    return trained.gradients();
  };
  const auto of_merged = gradients(load(work_.path() / "merged"));
  const auto model = load(base());
  const Adapter adapter = read_adapter(work_.path() / "adapter", *model);
  const auto found = gradients(with_adapter(*model, adapter));
  for (const AdapterMatrix& matrix : adapter.matrices) {
    const Tensor& d_w = of_merged.at(matrix.weight);
    const int64_t n = d_w.shape()[0], k = d_w.shape()[1], rank = matrix.a.shape()[0];
    std::vector<float> d_a(static_cast<size_t>(rank * k)), d_b(static_cast<size_t>(n * rank));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < k; ++j) {
        for (int64_t r = 0; r < rank; ++r) {
          const float d = matrix.scale * d_w.floats()[i * k + j];
          d_a[static_cast<size_t>(r * k + j)] += d * matrix.b.floats()[i * rank + r];
          d_b[static_cast<size_t>(i * rank + r)] += d * matrix.a.floats()[r * k + j];
        }
      }
    }
    const auto values = [&](const std::string& name) {
      const Tensor& tensor = found.at(name);
      return std::vector<float>(tensor.floats(), tensor.floats() + tensor.shape().element_count());
    };
    expect_close(values(matrix.weight + ".lora_a"), d_a, matrix.weight + " A");
    expect_close(values(matrix.weight + ".lora_b"), d_b, matrix.weight + " B");
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, AdapterOn,
                         testing::Values(Case{"llama", kLlamaTargets, kLlamaConfig},
                                         Case{"gpt2", kGpt2Targets, kGpt2Config}),
                         [](const auto& test) { return test.param.base; });

// The two sequences that PEFT saw, each row but a sequence's last with the next token for a target.
TrainingBatch batch_of(const SafetensorsFile& expected) {
  const Tensor ids = *expected.find("input_ids");
  TrainingBatch batch{.offsets = {0, 20, 40}};
  for (int64_t i = 0; i < 40; ++i) {
    const auto* tokens = reinterpret_cast<const int64_t*>(ids.data());
    batch.tokens.push_back(static_cast<int32_t>(tokens[i]));
    batch.targets.push_back(i % 20 == 19 ? kIgnoredTarget : static_cast<int32_t>(tokens[i + 1]));
  }
  return batch;
}

std::vector<float> logits_of(const std::shared_ptr<const Model>& model, const SafetensorsFile& expected) {
  Executor executor(2);
  DifferentiableModel trained(executor, model);
  const std::span<const float> found = trained.forward(batch_of(expected));
  return {found.begin(), found.end()};
}

std::vector<float> numbers_of(const Tensor& tensor) {
  return {tensor.floats(), tensor.floats() + tensor.shape().element_count()};
}

// PEFT's own DoRA adapter and logits (tests/golden/dora); Qwen 2's queries have a bias, which is added after the size.
class DoraOn : public testing::TestWithParam<std::string> {
 protected:
  const fs::path adapter_ = fs::path(kGoldenDir) / "dora" / GetParam();
};

TEST_P(DoraOn, ComputesWhatPeftDoes) {
  const TestFolder work;
  const auto expected_file = SafetensorsFile::open(adapter_ / "expected.safetensors");
  const std::vector<float> expected = numbers_of(*expected_file->find("logits"));
  const fs::path base = golden(GetParam());
  expect_close(logits_of(load(base, adapter_), *expected_file), expected, "unmerged");
  expect_close(logits_of(load(base, adapter_, AdapterMode::kMerged), *expected_file), expected, "merged");
  convert(base, work.path() / "base.gguf");
  expect_close(logits_of(load(work.path() / "base.gguf", adapter_), *expected_file), expected, "on GGUF");

  const auto model = load(base);
  const Adapter adapter = read_adapter(adapter_, *model);
  write_peft_adapter(work.path() / "copy", adapter, *model);
  expect_close(logits_of(load(base, work.path() / "copy"), *expected_file), expected, "written and read back");
  expect_error([&] { write_gguf_adapter(work.path() / "a.gguf", adapter, *model); }, ErrorCode::kUnsupported,
               {"DoRA", "merge"});
}

INSTANTIATE_TEST_SUITE_P(Peft, DoraOn, testing::Values("llama", "qwen2"));

// PEFT's own IA³ adapter, logits and gradients (tests/golden/ia3); Qwen 2's keys and values have biases, which are
// multiplied too.
class Ia3On : public testing::TestWithParam<std::string> {
 protected:
  const TestFolder work_;
  const fs::path adapter_ = fs::path(kGoldenDir) / "ia3" / GetParam();
  const std::shared_ptr<const SafetensorsFile> expected_ = SafetensorsFile::open(adapter_ / "expected.safetensors");
};

TEST_P(Ia3On, ComputesWhatPeftDoes) {
  const std::vector<float> expected = numbers_of(*expected_->find("logits"));
  const fs::path base = golden(GetParam()), gguf = work_.path() / "base.gguf";
  convert(base, gguf);
  for (const fs::path& model : {base, gguf}) {
    expect_close(logits_of(load(model, adapter_), *expected_), expected, "unmerged on " + model.string());
    expect_close(logits_of(load(model, adapter_, AdapterMode::kMerged), *expected_), expected, "merged");
    Executor executor(2);
    const auto plain = load(model);
    MergedWeights merged = merged_weights(executor, *plain, read_adapter(adapter_, *plain));
    EXPECT_GT(merged.change, 0.01);
    expect_close(logits_of(with_weights(*plain, merged.weights), *expected_), expected, "merged in float32");
  }
  EXPECT_GT(std::abs(logits_of(load(base), *expected_)[0] - expected[0]), 1e-3) << "the adapter changes nothing";
}

TEST_P(Ia3On, HasPeftsGradients) {
  Executor executor(2);
  const auto base = load(golden(GetParam()));
  DifferentiableModel trained(executor, with_adapter(*base, read_adapter(adapter_, *base)));
  trained.forward(batch_of(*expected_));
  trained.backward();
  const WeightPlaces places = weight_places(base->graph, base->architecture->weight_names, WeightNaming::kHuggingFace);
  int count = 0;
  for (const auto& [weight, gradient] : trained.gradients()) {
    if (!weight.ends_with(kIa3Suffix)) continue;
    std::string module = places.find(weight.substr(0, weight.size() - kIa3Suffix.size()))->second.tensor;
    module.resize(module.size() - std::string(".weight").size());
    const std::string name = "gradient.base_model.model." + module + ".ia3_l";
    expect_close(numbers_of(gradient), numbers_of(*expected_->find(name)), name);
    ++count;
  }
  EXPECT_EQ(count, 3 * base->spec.layer_count);
}

// The same names, shapes and numbers as PEFT's, and a configuration that says the same.
TEST_P(Ia3On, IsWrittenAsPeftWritesIt) {
  convert(golden(GetParam()), work_.path() / "base.gguf");
  for (const fs::path& origin : {golden(GetParam()), work_.path() / "base.gguf"}) {
    const auto base = load(origin);
    const Adapter adapter = read_adapter(adapter_, *base);
    EXPECT_EQ(adapter.changed_count(), 3 * base->spec.layer_count);
    const fs::path copy = work_.path() / ("copy-" + origin.filename().string());
    write_peft_adapter(copy, adapter, *base);
    const auto theirs = SafetensorsFile::open(adapter_ / "adapter_model.safetensors");
    const auto ours = SafetensorsFile::open(copy / "adapter_model.safetensors");
    EXPECT_EQ(ours->entries().size(), theirs->entries().size());
    for (const TensorEntry& entry : theirs->entries()) {
      const auto found = ours->find(entry.name);
      ASSERT_TRUE(found) << entry.name;
      EXPECT_EQ(found->shape(), entry.shape);
      EXPECT_EQ(numbers_of(*found), numbers_of(*theirs->find(entry.name))) << entry.name;
    }
    const auto config_of = [](const fs::path& folder) {
      return parse_json(read_file(folder / "adapter_config.json", 1 << 20), "config").get_object();
    };
    const json::object their_config = config_of(adapter_), our_config = config_of(copy);
    for (const auto& [key, value] : our_config) EXPECT_EQ(value, their_config.at(key)) << key;
    expect_error([&] { write_gguf_adapter(work_.path() / "a.gguf", adapter, *base); }, ErrorCode::kUnsupported,
                 {"IA³", "merge"});
  }
}

INSTANTIATE_TEST_SUITE_P(Peft, Ia3On, testing::Values("llama", "qwen2"));

// GPT-2 has queries, keys and values in one transposed matrix, with a bias; its names of both kinds end alike.
class Ia3OnGpt2 : public testing::Test {
 protected:
  Ia3OnGpt2() {
    Rng rng(5);
    const auto factors = [&](Shape shape) {
      Tensor tensor = random_tensor(shape, rng);
      for (int64_t i = 0; i < shape.element_count(); ++i) tensor.mutable_floats()[i] += 1;
      return tensor;
    };
    const std::string prefix = "base_model.model.transformer.h.";
    tensors_ = {{prefix + "0.attn.c_attn.ia3_l", factors({192, 1})},
                {prefix + "1.attn.c_proj.ia3_l", factors({64, 1})},
                {prefix + "2.mlp.c_proj.ia3_l", factors({1, 256})}};
    write_peft(work_.path() / "adapter", tensors_, {{"peft_type", "IA3"}, {"feedforward_modules", {"mlp.c_proj"}}});
  }

  // The golden folder with its matrices [in, out] and biases multiplied: the definition.
  void write_multiplied(const fs::path& folder) const {
    fs::create_directories(folder);
    fs::copy_file(golden("gpt2") / "config.json", folder / "config.json");
    const auto source = open_safetensors_folder(golden("gpt2"));
    std::vector<NamedTensor> multiplied;
    for (const TensorEntry& entry : source->entries()) {
      Tensor values = Tensor::f32(entry.shape);
      std::copy_n(source->find(entry.name)->floats(), entry.shape.element_count(), values.mutable_floats());
      for (const NamedTensor& one : tensors_) {
        const std::string module = one.name.substr(17, one.name.size() - 17 - 6);
        const bool is_of_columns = one.tensor.shape()[0] == 1;
        const bool is_matrix = entry.name == module + ".weight";
        if (!is_matrix && (is_of_columns || entry.name != module + ".bias")) continue;
        for (int64_t i = 0; i < entry.shape.element_count(); ++i) {
          const int64_t out = i % entry.shape.innermost(), in = i / entry.shape.innermost();
          values.mutable_floats()[i] *= one.tensor.floats()[is_of_columns ? in : out];
        }
      }
      multiplied.push_back({entry.name, values});
    }
    write_safetensors(folder / "model.safetensors", multiplied);
  }

  const TestFolder work_;
  std::vector<NamedTensor> tensors_;
};

TEST_F(Ia3OnGpt2, MultipliesPartsOfATensor) {
  write_multiplied(work_.path() / "multiplied");
  const std::vector<float> expected = logits(load(work_.path() / "multiplied"));
  const fs::path adapter = work_.path() / "adapter";
  convert(golden("gpt2"), work_.path() / "base.gguf");
  for (const fs::path& base : {golden("gpt2"), work_.path() / "base.gguf"}) {
    expect_close(logits(load(base, adapter)), expected, "unmerged");
    expect_close(logits(load(base, adapter, AdapterMode::kMerged)), expected, "merged");
  }
}

TEST_F(Ia3OnGpt2, IsWrittenWithWholeNamesWhereEndsMeanBoth) {
  const auto base = load(golden("gpt2"));
  const Adapter adapter = read_adapter(work_.path() / "adapter", *base);
  EXPECT_EQ(adapter.changed_count(), 5);
  write_peft_adapter(work_.path() / "copy", adapter, *base);
  const auto copy = SafetensorsFile::open(work_.path() / "copy/adapter_model.safetensors");
  for (const NamedTensor& one : tensors_) EXPECT_EQ(numbers_of(*copy->find(one.name)), numbers_of(one.tensor));
  const json::object config =
      parse_json(read_file(work_.path() / "copy/adapter_config.json", 1 << 20), "config").get_object();
  ASSERT_EQ(config.at("feedforward_modules").as_array().size(), 1u);
  EXPECT_EQ(config.at("feedforward_modules").as_array()[0].as_string(), "transformer.h.2.mlp.c_proj");
  EXPECT_EQ(config.at("target_modules").get_array().size(), 3u);
  EXPECT_TRUE(config.at("fan_in_fan_out").as_bool());

  // A part alone: the others' factors are 1.
  Adapter keys;
  for (const AdapterScaling& scaling : adapter.scalings) {
    if (scaling.weight == "layers.0.attention.key") keys.scalings.push_back(scaling);
  }
  write_peft_adapter(work_.path() / "keys", keys, *base);
  const std::vector<float> whole =
      numbers_of(*SafetensorsFile::open(work_.path() / "keys/adapter_model.safetensors")->find(tensors_[0].name));
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(whole[i], i / 64 == 1 ? tensors_[0].tensor.floats()[i] : 1) << i;
  }
  keys.scalings[0] = {"layers.0.attention.key", ScaledAxis::kColumns, Tensor::f32({64})};
  expect_error([&] { write_peft_adapter(work_.path() / "no", keys, *base); }, ErrorCode::kUnsupported,
               {"c_attn", "several"});
}

TEST(Adapter, OnAQuantisedBaseIsUnmergedOrRefused) {
  const TestFolder work;
  write_peft(work.path() / "a", peft_tensors(kLlamaTargets), kLlamaConfig);
  convert(golden("llama"), work.path() / "q.gguf", "q8_0");
  const fs::path base = work.path() / "q.gguf";
  const std::vector<float> changed = logits(load(base, work.path() / "a"));
  EXPECT_NE(changed, logits(load(base)));
  expect_error([&] { load(base, work.path() / "a", AdapterMode::kMerged); }, ErrorCode::kUnsupported,
               {"layers.0.attention.query", "q8_0", "unmerged"});
}

TEST(Adapter, FusingLeavesAdaptedMatricesAlone) {
  const TestFolder work;
  write_peft(work.path() / "a", peft_tensors(kLlamaTargets), kLlamaConfig);
  const auto model = load(golden("llama"), work.path() / "a");
  const Graph fused = fused_graph(*model, ActivationType::kInt8);
  EXPECT_LT(fused.calls.size(), model->graph.calls.size());
  Executor executor(1);
  EXPECT_EQ(make_inference_layers(executor, *model, fused, ActivationType::kInt8).size(), fused.calls.size());
}

// --- what is refused

class AdapterRefuses : public testing::Test {
 protected:
  void expect(const std::vector<NamedTensor>& tensors, const json::object& config, ErrorCode code,
              std::vector<std::string> parts) {
    const fs::path folder = work_.path() / "broken";
    write_peft(folder, tensors, config);
    parts.push_back(folder.string());
    expect_error([&] { load(golden("llama"), folder); }, code, parts);
  }
  // The usual one with another option.
  void expect_option(const char* key, const json::value& value, ErrorCode code, const std::vector<std::string>& parts) {
    json::object config = kLlamaConfig;
    config[key] = value;
    expect(peft_tensors(kLlamaTargets), config, code, parts);
  }

  TestFolder work_;
};

TEST_F(AdapterRefuses, WhatIsNotThere) {
  expect_error([&] { load(golden("llama"), work_.path() / "none"); }, ErrorCode::kNotFound, {"none"});
  fs::create_directory(work_.path() / "empty");
  expect_error([&] { load(golden("llama"), work_.path() / "empty"); }, ErrorCode::kNotFound, {"adapter_config.json"});
  replace_file(work_.path() / "empty/adapter_config.json", json::serialize(kLlamaConfig));
  replace_file(work_.path() / "empty/adapter_model.bin", "x");
  expect_error([&] { load(golden("llama"), work_.path() / "empty"); }, ErrorCode::kUnsupported, {"can run code"});
  expect({}, kLlamaConfig, ErrorCode::kCorruptFile, {"no matrices"});
}

TEST_F(AdapterRefuses, TensorsThatDoNotFit) {
  std::vector<NamedTensor> tensors = peft_tensors(kLlamaTargets);
  tensors.pop_back();
  expect(tensors, kLlamaConfig, ErrorCode::kCorruptFile, {"only the A", "layers.2.mlp.up_proj"});
  tensors = peft_tensors(kLlamaTargets);
  tensors[1].tensor = Tensor::f32({63, 4});
  expect(tensors, kLlamaConfig, ErrorCode::kCorruptFile, {"q_proj", "[63, 4]", "[64, R]"});
  tensors[1].tensor = Tensor::f32({64, 5});
  expect(tensors, kLlamaConfig, ErrorCode::kCorruptFile, {"q_proj", "[64, 5]"});
  tensors[1].tensor = Tensor::f32({256});
  expect(tensors, kLlamaConfig, ErrorCode::kCorruptFile, {"q_proj", "[256]"});
  tensors[0].tensor = Tensor::f32({0, 64});
  tensors[1].tensor = Tensor::f32({64, 0});
  expect(tensors, kLlamaConfig, ErrorCode::kCorruptFile, {"q_proj"});
  tensors = peft_tensors({{"model.layers.9.self_attn.q_proj", 64, 64, 4, 2}});
  expect(tensors, kLlamaConfig, ErrorCode::kUnsupported, {"layers.9.self_attn.q_proj"});
  tensors = peft_tensors({{"model.layers.0.input_layernorm", 64, 64, 4, 2}});
  expect(tensors, kLlamaConfig, ErrorCode::kUnsupported, {"input_layernorm"});
  const std::string prefix = "base_model.model.model.";
  for (const auto& [name, reason] : {std::pair<std::string, std::string>{"embed_tokens.lora_embedding_A", "embedding"},
                                     {"layers.0.self_attn.q_proj.lora_B.bias", "neither"}}) {
    tensors = peft_tensors(kLlamaTargets);
    tensors.push_back({prefix + name, Tensor::f32({4, 4})});
    expect(tensors, kLlamaConfig, ErrorCode::kUnsupported, {name, reason});
  }
  for (const int64_t size : {64, 63}) {
    tensors = peft_tensors({kLlamaTargets.front()});
    tensors.push_back({prefix + "layers.0.self_attn.q_proj.lora_magnitude_vector", Tensor::f32({size})});
    json::object config = kLlamaConfig;
    config["use_dora"] = size != 64;
    expect(tensors, config, ErrorCode::kCorruptFile, {size == 64 ? "use_dora is false" : "[63]"});
  }
  tensors = peft_tensors(kLlamaTargets);
  tensors.push_back({tensors[0].name.substr(std::string("base_model.model.").size()), tensors[0].tensor});
  expect(tensors, kLlamaConfig, ErrorCode::kCorruptFile, {"twice"});
}

TEST_F(AdapterRefuses, OptionsBeyondPlainLora) {
  expect_option("peft_type", "VERA", ErrorCode::kUnsupported, {"VERA", "LORA", "IA3"});
  expect_option("use_dora", true, ErrorCode::kCorruptFile, {"lacks magnitudes", "use_dora"});
  expect_option("bias", "all", ErrorCode::kUnsupported, {"bias", "all"});
  expect_option("modules_to_save", {"lm_head"}, ErrorCode::kUnsupported, {"modules_to_save", "lm_head"});
  expect_option("init_lora_weights", "pissa", ErrorCode::kUnsupported, {"pissa"});
  expect_option("alpha_pattern", {{".*up_proj|down_proj", 3}}, ErrorCode::kUnsupported, {"alpha_pattern", "up_proj"});
  expect_option("alpha_pattern", {{"up_proj", "x"}}, ErrorCode::kCorruptFile, {"alpha_pattern"});
  expect_option("rank_pattern", {{"down_proj", 2}}, ErrorCode::kCorruptFile, {"down_proj", "rank 3", "says 2"});
  expect_option("r", 0, ErrorCode::kCorruptFile, {"r"});
  expect_option("lora_alpha", "x", ErrorCode::kCorruptFile, {"lora_alpha"});
  expect_option("peft_type", nullptr, ErrorCode::kCorruptFile, {"peft_type"});
}

TEST_F(AdapterRefuses, FactorsThatDoNotFit) {
  const std::string prefix = "base_model.model.model.layers.0.";
  const json::object plain = {{"peft_type", "IA3"}, {"feedforward_modules", {"down_proj"}}};
  const auto expect_tensor = [&](const std::string& name, Shape shape, ErrorCode code,
                                 const std::vector<std::string>& parts) {
    expect({{prefix + name, Tensor::f32(shape)}}, plain, code, parts);
  };
  expect({}, plain, ErrorCode::kCorruptFile, {"no ia3_l"});
  expect_tensor("self_attn.k_proj.ia3_l", {31, 1}, ErrorCode::kCorruptFile,
                {"k_proj", "[31, 1]", "[32, 1] or [1, 64]"});
  expect_tensor("self_attn.k_proj.ia3_l", {32}, ErrorCode::kCorruptFile, {"k_proj", "[32]"});
  expect_tensor("self_attn.k_proj.ia3_l", {1, 64}, ErrorCode::kCorruptFile, {"k_proj", "does not name"});
  expect_tensor("mlp.down_proj.ia3_l", {64, 1}, ErrorCode::kCorruptFile, {"down_proj", "feedforward_modules names"});
  expect_tensor("mlp.down_proj.lora_A.weight", {4, 96}, ErrorCode::kUnsupported, {"lora_A", "ia3_l"});
  expect_tensor("input_layernorm.ia3_l", {64, 1}, ErrorCode::kUnsupported, {"input_layernorm"});
  const std::vector<NamedTensor> fine = {{prefix + "mlp.down_proj.ia3_l", Tensor::f32({1, 96})}};
  std::vector<NamedTensor> twice = fine;
  twice.push_back({"model.layers.0.mlp.down_proj.ia3_l", Tensor::f32({1, 96})});
  expect(twice, plain, ErrorCode::kCorruptFile, {"twice"});
  json::object config = plain;
  config["modules_to_save"] = {"lm_head"};
  expect(fine, config, ErrorCode::kUnsupported, {"modules_to_save", "lm_head"});
}

TEST_F(AdapterRefuses, GgufFilesOfOtherThings) {
  const auto file = [&](std::string_view type, std::string_view kind, std::string_view architecture) {
    GgufMetadata metadata;
    metadata.add("general.type", type);
    metadata.add("adapter.type", kind);
    metadata.add("general.architecture", architecture);
    const fs::path path = work_.path() / "a.gguf";
    GgufWriter(path, metadata, {}).commit();
    return path;
  };
  const auto load_on_llama = [&](const fs::path& path) { return [&, path] { load(golden("llama"), path); }; };
  expect_error(load_on_llama(file("model", "lora", "llama")), ErrorCode::kCorruptFile, {"a.gguf", "general.type"});
  expect_error(load_on_llama(file("adapter", "ia3", "llama")), ErrorCode::kUnsupported, {"ia3"});
  expect_error(load_on_llama(file("adapter", "lora", "qwen2")), ErrorCode::kCorruptFile, {"qwen2", "llama"});
  expect_error(load_on_llama(file("adapter", "lora", "llama")), ErrorCode::kCorruptFile, {"no matrices"});
}

}  // namespace
}  // namespace pelton
