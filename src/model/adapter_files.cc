// Adapters' files: PEFT's folder, llama.cpp's GGUF; what is of IA³ alone is in peft_ia3.cc. Names and options: PEFT's
// LoraConfig and llama.cpp's convert_lora_to_gguf.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "base/atomic_folder.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "io/gguf_writer.h"
#include "io/in_quotes.h"
#include "io/json_file.h"
#include "io/path_exists.h"
#include "io/safetensors.h"
#include "model/adapter.h"
#include "model/adapter_tensors.h"
#include "model/config_writer.h"
#include "model/peft_folder.h"
#include "model/peft_ia3.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kConfigBytesMax = uint64_t{1} << 20;

[[noreturn]] void fail(std::string_view reason) { throw Error(ErrorCode::kCorruptFile, std::string(reason)); }
[[noreturn]] void refuse(std::string_view reason) { throw Error(ErrorCode::kUnsupported, std::string(reason)); }

// A and B of one tensor, as a file has them, and DoRA's magnitudes.
struct Pair {
  std::optional<Tensor> a;
  std::optional<Tensor> b;
  std::optional<Tensor> magnitude;
};

void check_magnitude(const std::string& tensor, const Pair& pair, const AdaptableTensor& base, bool is_dora) {
  if (is_dora != pair.magnitude.has_value()) {
    fail(fmt::format("the adapter {} magnitudes of {}, and use_dora is {}", is_dora ? "lacks" : "has",
                     in_quotes(tensor), is_dora));
  }
  if (!pair.magnitude) return;
  const Shape& shape = pair.magnitude->shape();
  if (shape.element_count() == base.row_count && shape.rank() >= 1 && shape.rank() <= 2) return;
  fail(fmt::format("the adapter's magnitudes {} do not fit {}, which has {} rows", shape.to_string(), in_quotes(tensor),
                   base.row_count));
}

void check_pair(const std::string& tensor, const Pair& pair, const AdaptableTensor& base) {
  if (!pair.a || !pair.b) {
    fail(fmt::format("the adapter has only the {} of {}", pair.a ? "A" : "B", in_quotes(tensor)));
  }
  const Shape& a = pair.a->shape();
  const Shape& b = pair.b->shape();
  if (a.rank() == 2 && b.rank() == 2 && a[0] >= 1 && a[0] == b[1] && a[1] == base.columns && b[0] == base.row_count) {
    return;
  }
  fail(fmt::format("the adapter's A {} and B {} do not fit {} [{}, {}] of the base: expected [R, {}] and [{}, R]",
                   a.to_string(), b.to_string(), in_quotes(tensor), base.row_count, base.columns, base.columns,
                   base.row_count));
}

// `scale_of` takes a tensor's name and its rank.
Adapter make_adapter(const Model& base, WeightNaming naming, const AdaptableTensors& tensors,
                     const std::map<std::string, Pair, std::less<>>& pairs,
                     const std::function<double(const std::string& tensor, int64_t rank)>& scale_of) {
  if (pairs.empty()) fail("the adapter has no matrices");
  std::map<std::string, AdapterMatrix, std::less<>> matrices;
  for (const auto& [name, pair] : pairs) {
    const AdaptableTensor& tensor = tensors.find(name)->second;
    check_pair(name, pair, tensor);
    const Tensor a = decoded_tensor(*pair.a, name);
    const Tensor b = decoded_tensor(*pair.b, name);
    const auto scale = static_cast<float>(scale_of(name, a.shape()[0]));
    if (!std::isfinite(scale)) fail(fmt::format("the adapter's scale of {} is {}", in_quotes(name), scale));
    for (const AdaptableTensor::Part& part : tensor.parts) {
      AdapterMatrix& matrix = matrices[part.weight];
      matrix = {part.weight, a, rows_of_part(b, part, base, naming), scale};
      if (!pair.magnitude) continue;
      const Tensor column = matrix_of_one_column(decoded_tensor(*pair.magnitude, name));
      matrix.magnitude = as_vector(rows_of_part(column, part, base, naming));
    }
  }
  Adapter adapter;
  for (const WeightSpec& weight : base.graph.weights) {
    const auto found = matrices.find(weight.name);
    if (found != matrices.end()) adapter.matrices.push_back(std::move(found->second));
  }
  return adapter;
}

// --- PEFT

// What adapter_config.json says of LoRA, as far as it changes what is computed.
class PeftLoraConfig {
 public:
  explicit PeftLoraConfig(const json::object& config) : reader_(config, std::string(kPeftConfigFile)) {
    for (const char* flag : {"use_qalora", "lora_bias"}) {
      if (reader_.boolean(flag).value_or(false)) refuse_peft_option(flag, "true");
    }
    // What is trained beside A and B, or changes the base.
    refuse_peft_lists(reader_, {"modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters",
                                "alora_invocation_tokens"});
    if (const auto bias = reader_.string("bias"); bias && *bias != "none") refuse_peft_option("bias", *bias);
    const json::value* init = reader_.value("init_lora_weights");
    if (init != nullptr && init->is_string() && init->get_string() != "gaussian" && init->get_string() != "eva" &&
        init->get_string() != "orthogonal") {
      refuse(
          fmt::format("adapter_config.json: init_lora_weights {} changes the base's weights, so the adapter is of "
                      "another base; PEFT converts it to a plain one (path_initial_model_for_weight_conversion)",
                      in_quotes(init->get_string())));
    }
    rank_ = reader_.integer("r", 1, kRankMax).value_or(8);
    alpha_ = reader_.number("lora_alpha", -1e6, 1e6).value_or(8);
    is_rank_stabilised_ = reader_.boolean("use_rslora").value_or(false);
    is_dora_ = reader_.boolean("use_dora").value_or(false);
  }

  bool is_dora() const { return is_dora_; }

  double scale_of(const std::string& module, int64_t rank) const {
    const double expected = pattern("rank_pattern", module).value_or(static_cast<double>(rank_));
    if (expected != static_cast<double>(rank)) {
      fail(fmt::format("the adapter's {} is of rank {}; adapter_config.json says {}", in_quotes(module), rank,
                       expected));
    }
    const double alpha = pattern("alpha_pattern", module).value_or(alpha_);
    return alpha / (is_rank_stabilised_ ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
  }

 private:
  static constexpr int64_t kRankMax = 1 << 20;

  // The value of the first key that is the module's name or the end of it, from a dot on.
  std::optional<double> pattern(std::string_view key, std::string_view module) const {
    const json::object* patterns = reader_.object(key);
    if (patterns == nullptr) return std::nullopt;
    for (const auto& [name, value] : *patterns) {
      std::string_view end = name;
      const bool is_whole = end.starts_with('^');
      if (is_whole) end.remove_prefix(1);
      const bool is_plain = std::all_of(end.begin(), end.end(), [](unsigned char letter) {
        return std::isalnum(letter) != 0 || letter == '_' || letter == '.';
      });
      if (!is_plain)
        refuse(
            fmt::format("adapter_config.json: {}: the regular expression {} is not supported, only "
                        "names of modules are",
                        key, in_quotes(end)));
      if (!value.is_number()) reader_.fail(key, "numbers");
      const bool fits = module == end || (!is_whole && module.size() > end.size() && module.ends_with(end) &&
                                          module[module.size() - end.size() - 1] == '.');
      if (fits) return value.to_number<double>();
    }
    return std::nullopt;
  }

  JsonReader reader_;
  int64_t rank_ = 0;
  double alpha_ = 0;
  bool is_rank_stabilised_ = false;
  bool is_dora_ = false;
};

Adapter read_peft_lora(const json::object& fields, const SafetensorsFile& file, const Model& base) {
  const PeftLoraConfig config(fields);
  const AdaptableTensors tensors = adaptable_tensors(base, WeightNaming::kHuggingFace);
  std::map<std::string, Pair, std::less<>> pairs;
  for (const TensorEntry& entry : file.entries()) {
    std::string_view name = entry.name;
    if (name.starts_with(kPeftPrefix)) name.remove_prefix(kPeftPrefix.size());
    const auto take = [&](std::string_view ending) {
      if (!name.ends_with(ending)) return false;
      name.remove_suffix(ending.size());
      return true;
    };
    const bool is_a = take(".lora_A.weight") || take(".lora_A.default.weight");
    const bool is_b = !is_a && (take(".lora_B.weight") || take(".lora_B.default.weight"));
    const bool is_magnitude = !is_a && !is_b &&
                              (take(".lora_magnitude_vector") || take(".lora_magnitude_vector.weight") ||
                               take(".lora_magnitude_vector.default.weight"));
    if (!is_a && !is_b && !is_magnitude) {
      refuse(
          fmt::format("the adapter's tensor {} is neither A nor B of a linear layer{}", in_quotes(entry.name),
                      name.find("lora_embedding") != std::string_view::npos ? ": it changes the embedding table" : ""));
    }
    const std::string tensor = std::string(name) + std::string(kWeightSuffix);
    find_adaptable(tensors, tensor);
    Pair& pair = pairs[tensor];
    std::optional<Tensor>& slot = is_a ? pair.a : is_b ? pair.b : pair.magnitude;
    if (slot) fail(fmt::format("the adapter's tensor {} is there twice", in_quotes(entry.name)));
    slot = file.find(entry.name);
  }
  for (const auto& [name, pair] : pairs) check_magnitude(name, pair, tensors.find(name)->second, config.is_dora());
  return make_adapter(base, WeightNaming::kHuggingFace, tensors, pairs, [&](const std::string& tensor, int64_t rank) {
    return config.scale_of(tensor.substr(0, tensor.size() - kWeightSuffix.size()), rank);
  });
}

Adapter read_peft_adapter(const fs::path& folder, const Model& base) {
  const json::object config = read_json_object(folder / kPeftConfigFile, kConfigBytesMax);
  const auto type = JsonReader(config, std::string(kPeftConfigFile)).string("peft_type");
  if (!type) fail("adapter_config.json: peft_type is missing");
  if (*type != "LORA" && *type != "IA3") {
    refuse(fmt::format("adapters of type {} are not supported, only LORA and IA3", in_quotes(*type)));
  }
  if (!path_exists(folder / kPeftWeightsFile) && path_exists(folder / "adapter_model.bin")) {
    refuse("has only adapter_model.bin, which can run code when it is loaded; convert it to safetensors");
  }
  const auto file = SafetensorsFile::open(folder / kPeftWeightsFile);
  return *type == "LORA" ? read_peft_lora(config, *file, base) : read_peft_ia3(config, *file, base);
}

// --- GGUF

Adapter read_gguf_adapter(const fs::path& path, const Model& base) {
  const auto file = GgufFile::open(path);
  if (const auto type = file->string("general.type"); type != "adapter") {
    fail(fmt::format("general.type is {}; expected \"adapter\"", in_quotes(type.value_or("missing"))));
  }
  if (const auto type = file->string("adapter.type"); type != "lora") {
    refuse(fmt::format("adapters of type {} are not supported, only lora", in_quotes(type.value_or("missing"))));
  }
  const auto& names = architecture_for_gguf(*base.architecture).gguf_names;
  const std::string architecture = file->string("general.architecture").value_or("missing");
  if (std::find(names.begin(), names.end(), architecture) == names.end()) {
    fail(fmt::format("the adapter is of the architecture {}, the base of {}", in_quotes(architecture),
                     base.architecture->name));
  }
  if (const auto tokens = file->integers("adapter.alora.invocation_tokens"); tokens && !tokens->empty()) {
    refuse("adapters that begin at a token (aLoRA) are not supported");
  }
  // As llama.cpp has it: without an alpha the scale is 1.
  const double alpha = file->number("adapter.lora.alpha").value_or(0);
  const AdaptableTensors tensors = adaptable_tensors(base, WeightNaming::kGguf);
  std::map<std::string, Pair, std::less<>> pairs;
  for (const TensorEntry& entry : file->entries()) {
    const bool is_a = entry.name.ends_with(kLoraASuffix);
    if (!is_a && !entry.name.ends_with(kLoraBSuffix)) {
      refuse(fmt::format("the adapter's tensor {} is neither A nor B of a linear layer", in_quotes(entry.name)));
    }
    const std::string tensor = entry.name.substr(0, entry.name.size() - kLoraASuffix.size());
    find_adaptable(tensors, tensor);
    (is_a ? pairs[tensor].a : pairs[tensor].b) = file->find(entry.name);
  }
  return make_adapter(base, WeightNaming::kGguf, tensors, pairs, [&](const std::string&, int64_t rank) {
    return alpha == 0 ? 1.0 : alpha / static_cast<double>(rank);
  });
}

// --- writing

struct WholePair {
  std::string tensor;
  Tensor a;  // [R, K]
  Tensor b;  // [N, R]
  float scale;
  Tensor magnitude = {};  // [N]; empty: no DoRA
};

// A and B of each tensor of this naming that the adapter changes.
std::vector<WholePair> whole_pairs(const Adapter& adapter, const Model& base, WeightNaming naming) {
  std::map<std::string, const AdapterMatrix*, std::less<>> matrices;
  for (const AdapterMatrix& matrix : adapter.matrices) matrices.emplace(matrix.weight, &matrix);
  std::vector<WholePair> pairs;
  for (const auto& [name, tensor] : adaptable_tensors(base, naming)) {
    std::optional<WholePair> pair;
    for (const AdaptableTensor::Part& part : tensor.parts) {
      const auto found = matrices.find(part.weight);
      if (found == matrices.end()) continue;
      const AdapterMatrix& matrix = *found->second;
      const int64_t rank = matrix.a.shape()[0];
      if (!pair) pair = WholePair{name, matrix.a, Tensor::f32({tensor.row_count, rank}), matrix.scale};
      if (pair->magnitude.is_empty() && matrix.is_dora()) pair->magnitude = Tensor::f32({tensor.row_count});
      if (!has_same_numbers(pair->a, matrix.a) || pair->scale != matrix.scale ||
          pair->magnitude.is_empty() == matrix.is_dora()) {
        refuse(fmt::format("{} holds several matrices, whose adapters differ; it cannot be written as one", name));
      }
      put_rows_of_part(matrix.b, part, base, naming, pair->b);
      if (!matrix.is_dora()) continue;
      Tensor column = matrix_of_one_column(pair->magnitude);
      put_rows_of_part(matrix_of_one_column(matrix.magnitude), part, base, naming, column);
      pair->magnitude = as_vector(column);
    }
    if (pair) pairs.push_back(std::move(*pair));
  }
  return pairs;
}

// As people wrote it: 32, not 31.999998.
double alpha_of(const WholePair& pair) {
  const double alpha = static_cast<double>(pair.scale) * static_cast<double>(pair.a.shape()[0]);
  const double rounded = std::round(alpha * 1024) / 1024;
  return std::abs(alpha - rounded) <= 1e-6 * std::abs(alpha) ? rounded : alpha;
}

PeftFiles peft_lora_files(const Adapter& adapter, const Model& base, double dropout) {
  const std::vector<WholePair> pairs = whole_pairs(adapter, base, WeightNaming::kHuggingFace);
  CHECK(!pairs.empty());
  const auto module_of = [](const WholePair& pair) {
    return pair.tensor.substr(0, pair.tensor.size() - kWeightSuffix.size());
  };
  json::object ranks, alphas;
  std::set<std::string> targets;
  PeftFiles files;
  const int64_t rank = pairs.front().a.shape()[0];
  const double alpha = alpha_of(pairs.front());
  const bool is_dora = !pairs.front().magnitude.is_empty();
  for (const WholePair& pair : pairs) {
    if (pair.magnitude.is_empty() == is_dora) refuse("DoRA for some matrices alone is nothing that PEFT can be told");
    const std::string module = module_of(pair);
    targets.insert(module.substr(module.rfind('.') + 1));
    if (pair.a.shape()[0] != rank) ranks[module] = pair.a.shape()[0];
    if (alpha_of(pair) != alpha) alphas[module] = alpha_of(pair);
    const std::string prefix = std::string(kPeftPrefix) + module;
    files.tensors.push_back({prefix + ".lora_A.weight", pair.a});
    files.tensors.push_back({prefix + ".lora_B.weight", pair.b});
    if (is_dora) files.tensors.push_back({prefix + ".lora_magnitude_vector", pair.magnitude});
  }
  files.config = {{"peft_type", "LORA"},
                  {"task_type", "CAUSAL_LM"},
                  {"r", rank},
                  {"lora_alpha", alpha},
                  {"lora_dropout", dropout},
                  {"bias", "none"},
                  {"fan_in_fan_out", base.architecture->hugging_face_prefix == "transformer."},
                  {"use_rslora", false},
                  {"use_dora", is_dora},
                  {"inference_mode", true},
                  {"init_lora_weights", true},
                  {"modules_to_save", nullptr},
                  {"rank_pattern", ranks},
                  {"alpha_pattern", alphas},
                  {"target_modules", json::array(targets.begin(), targets.end())}};
  return files;
}

}  // namespace

Adapter read_adapter(const fs::path& path, const Model& base) {
  if (!path_exists(path)) {
    throw Error(ErrorCode::kNotFound, fmt::format("no adapter {}: no such file or folder", path.string()));
  }
  try {
    return fs::is_directory(path) ? read_peft_adapter(path, base) : read_gguf_adapter(path, base);
  } catch (const Error& error) {
    const ErrorCode code = error.code() == ErrorCode::kInvalidArgument ? ErrorCode::kCorruptFile : error.code();
    if (error.message().find(path.string()) != std::string::npos) throw Error(code, error.message());
    throw Error(code, fmt::format("{}: {}", path.string(), error.message()));
  }
}

void write_peft_adapter(const fs::path& folder, const Adapter& adapter, const Model& base) {
  if (path_exists(folder)) throw Error(ErrorCode::kInvalidArgument, folder.string() + " is there already");
  AtomicFolder result(folder);
  write_peft_files(result.path(), adapter, base);
  result.commit();
}

void write_peft_files(const fs::path& folder, const Adapter& adapter, const Model& base, double dropout) {
  const PeftFiles files = adapter.is_ia3() ? peft_ia3_files(adapter, base) : peft_lora_files(adapter, base, dropout);
  write_safetensors(folder / kPeftWeightsFile, files.tensors);
  replace_file(folder / kPeftConfigFile, json::serialize(files.config) + "\n");
}

void write_gguf_adapter(const fs::path& file, const Adapter& adapter, const Model& base) {
  const Architecture& architecture = architecture_for_gguf(*base.architecture);
  if (architecture.gguf_names.empty()) {
    refuse(fmt::format("GGUF has no name for the architecture {}", architecture.name));
  }
  if (adapter.is_ia3()) refuse("GGUF has no place for IA³'s factors; merge the adapter instead");
  const std::vector<WholePair> pairs = whole_pairs(adapter, base, WeightNaming::kGguf);
  CHECK(!pairs.empty());
  GgufMetadata metadata;
  metadata.add("general.type", "adapter");
  metadata.add("general.architecture", architecture.gguf_names.front());
  metadata.add("adapter.type", "lora");
  metadata.add("adapter.lora.alpha", static_cast<float>(alpha_of(pairs.front())));
  std::vector<TensorEntry> entries;
  for (const WholePair& pair : pairs) {
    if (alpha_of(pair) != alpha_of(pairs.front())) {
      refuse("the adapter's matrices have different alphas, of which GGUF holds one");
    }
    if (!pair.magnitude.is_empty()) refuse("GGUF has no place for DoRA's magnitudes; merge the adapter instead");
    entries.push_back({pair.tensor + std::string(kLoraASuffix), ElementType::kF32, pair.a.shape()});
    entries.push_back({pair.tensor + std::string(kLoraBSuffix), ElementType::kF32, pair.b.shape()});
  }
  GgufWriter writer(file, metadata, entries);
  for (const WholePair& pair : pairs) {
    for (const Tensor* tensor : {&pair.a, &pair.b}) {
      writer.append({tensor->data(), static_cast<size_t>(tensor->size_bytes())});
    }
  }
  writer.commit();
}

}  // namespace pelton
