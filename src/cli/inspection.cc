#include "cli/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/check.h"
#include "base/error.h"
#include "base/json_text.h"
#include "io/gguf.h"
#include "io/hf_folder.h"
#include "io/safetensors.h"
#include "model/arch.h"
#include "model/bundle.h"
#include "model/model.h"
#include "model/prequantised.h"
#include "model/text_part.h"
#include "model/tokenizer_source.h"

namespace pelton::cli {
namespace fs = std::filesystem;
namespace {

// The first problem is the one that matters; what follows is often its consequence.
void note_problem(Inspection& inspection, const Error& error) {
  if (!inspection.problem) inspection.problem = error.message();
}

// Runs `read`; what it cannot do is a problem of the model, not of the inspection.
template <typename Read>
void try_reading(Inspection& inspection, Read read) {
  try {
    read();
  } catch (const Error& error) {
    note_problem(inspection, error);
  }
}

std::string value_to_text(const GgufValue& value) {
  struct Visitor {
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(int64_t number) const { return fmt::format("{}", number); }
    std::string operator()(uint64_t number) const { return fmt::format("{}", number); }
    std::string operator()(double number) const { return fmt::format("{:g}", number); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<int64_t>& list) const { return fmt::format("[{} integers]", list.size()); }
    std::string operator()(const std::vector<double>& list) const { return fmt::format("[{} numbers]", list.size()); }
    std::string operator()(const std::vector<std::string>& list) const {
      return fmt::format("[{} strings]", list.size());
    }
    std::string operator()(const std::vector<bool>& list) const { return fmt::format("[{} booleans]", list.size()); }
  };
  return std::visit(Visitor{}, value);
}

void add_tensors(Inspection& inspection, const TensorSource& source) {
  inspection.tensors = source.entries();
  std::map<ElementType, ElementTypeUse> uses;
  for (const TensorEntry& entry : inspection.tensors) {
    ElementTypeUse& use = uses.try_emplace(entry.type, ElementTypeUse{entry.type}).first->second;
    use.tensor_count += 1;
    use.element_count += entry.shape.element_count();
    use.bytes += bytes_of(entry.type, entry.shape.element_count());
  }
  for (const auto& [type, use] : uses) inspection.types.push_back(use);
  std::stable_sort(inspection.types.begin(), inspection.types.end(),
                   [](const ElementTypeUse& a, const ElementTypeUse& b) { return a.bytes > b.bytes; });
}

// What the metadata alone says: for files that Pelton cannot run.
VocabularyFacts vocabulary_from_metadata(const GgufFile& file, const std::vector<std::string>& tokens) {
  VocabularyFacts facts;
  facts.kind = file.string("tokenizer.ggml.model").value_or("unknown");
  facts.size = static_cast<int64_t>(tokens.size());
  const auto token_of = [&](std::string_view key) -> std::optional<SpecialToken> {
    const std::optional<int64_t> id = file.integer(key);
    if (!id || *id < 0 || *id >= facts.size) return std::nullopt;
    return SpecialToken{*id, tokens[static_cast<size_t>(*id)]};
  };
  facts.bos = token_of("tokenizer.ggml.bos_token_id");
  if (const auto eos = token_of("tokenizer.ggml.eos_token_id")) facts.ends.push_back(*eos);
  const std::vector<int64_t> types = file.integers("tokenizer.ggml.token_type").value_or(std::vector<int64_t>{});
  constexpr int64_t kControl = 3;
  for (size_t id = 0; id < std::min(types.size(), tokens.size()); ++id) {
    if (types[id] == kControl) facts.special.push_back({static_cast<int64_t>(id), tokens[id]});
  }
  return facts;
}

SpecialToken special_token(const Tokenizer& tokenizer, TokenId token) {
  return {index_of(token), std::string(tokenizer.token_bytes(token))};
}

VocabularyFacts vocabulary_of(const Tokenizer& tokenizer) {
  VocabularyFacts facts;
  facts.kind = tokenizer.kind();
  facts.encoder = tokenizer.encoder();
  facts.size = tokenizer.vocabulary_size();
  if (const auto bos = tokenizer.bos()) facts.bos = special_token(tokenizer, *bos);
  for (const AddedToken& token : tokenizer.added_tokens()) {
    if (token.is_special) facts.special.push_back({index_of(token.id), token.text});
  }
  return facts;
}

void inspect_gguf(Inspection& inspection) {
  const std::shared_ptr<const GgufFile> file = GgufFile::open(inspection.path);
  inspection.format = gguf_format_name(*file);
  add_tensors(inspection, *file);
  for (const auto& [key, value] : file->metadata()) inspection.metadata.emplace_back(key, value_to_text(value));
  try_reading(inspection, [&] {
    inspection.architecture = file->string("general.architecture").value_or("");
    inspection.spec = architecture_of_gguf(*file).spec_from_gguf(*file);
  });
  try_reading(inspection, [&] {
    inspection.chat_template = file->string("tokenizer.chat_template");
    if (const auto* tokens = file->strings("tokenizer.ggml.tokens")) {
      inspection.vocabulary = vocabulary_from_metadata(*file, *tokens);
    }
  });
}

void inspect_hugging_face(Inspection& inspection) {
  const HfFolder folder = read_hf_folder(inspection.path);
  inspection.format = "Hugging Face folder";
  for (const auto& [key, value] : folder.config) inspection.metadata.emplace_back(key, to_json_text(value));
  inspection.chat_template = folder.chat_template;
  try_reading(inspection, [&] { add_tensors(inspection, *open_safetensors_folder(inspection.path)); });
  try_reading(inspection, [&] { inspection.quantisation = quantisation_name(folder.config); });
  try_reading(inspection, [&] {
    const json::object config = text_config(folder.config);
    inspection.architecture = JsonReader(config, "config.json").string("model_type").value_or("");
    inspection.spec = architecture_from_hugging_face(inspection.architecture).spec_from_hugging_face(config);
  });
  try_reading(inspection, [&] {
    if (const auto tokenizer = load_folder_tokenizer(inspection.path))
      inspection.vocabulary = vocabulary_of(*tokenizer);
  });
}

// "q4_0 (7 matrices), f32 (2 matrices)"
std::string matrix_types(const Model& model) {
  std::map<ElementType, int> counts;
  for (const WeightSpec& weight : model.graph.weights) {
    if (weight.shape.rank() == 2) ++counts[model.weights.at(weight.name).type()];
  }
  std::string text;
  for (const auto& [type, count] : counts) {
    text += fmt::format("{}{} ({} {})", text.empty() ? "" : ", ", element_type_name(type), count,
                        count == 1 ? "matrix" : "matrices");
  }
  return text;
}

// Loading is cheap (weights are mapped, not read) and the only true answer to whether it would run.
void try_loading(Inspection& inspection) {
  const std::shared_ptr<const ModelBundle> bundle = load_bundle(inspection.path);
  if (!inspection.quantisation.empty()) inspection.quantisation += "; computed as " + matrix_types(*bundle->model);
  inspection.plan = {bundle->model->graph, fused_graph(*bundle->model, ActivationType::kInt8)};
  int64_t parameters = 0;
  for (const WeightSpec& weight : bundle->model->graph.weights) parameters += weight.shape.element_count();
  inspection.parameters = parameters;
  inspection.active_parameters = active_parameter_count(bundle->model->graph);
  if (bundle->tokenizer == nullptr) {
    inspection.vocabulary.reset();
    return;
  }
  VocabularyFacts facts = vocabulary_of(*bundle->tokenizer);
  for (TokenId token : bundle->end_tokens) facts.ends.push_back(special_token(*bundle->tokenizer, token));
  inspection.vocabulary = std::move(facts);
}

}  // namespace

int64_t Inspection::element_count() const {
  int64_t count = 0;
  for (const ElementTypeUse& use : types) count += use.element_count;
  return count;
}

int64_t Inspection::weight_bytes() const {
  int64_t bytes = 0;
  for (const ElementTypeUse& use : types) bytes += use.bytes;
  return bytes;
}

std::vector<KvCacheShape> kv_caches(const ModelSpec& spec) {
  const auto all = architectures();
  const auto architecture =
      std::find_if(all.begin(), all.end(), [&](const Architecture* one) { return one->name == spec.architecture; });
  CHECK(architecture != all.end());
  return (*architecture)->lower(spec).caches;
}

int64_t kv_bytes(const ModelSpec& spec, ElementType kv_type, int64_t token_count) {
  int64_t bytes = 0;
  for (const KvCacheShape& cache : kv_caches(spec)) {
    const int64_t kept_count = std::min(token_count, cache.window.value_or(token_count));
    bytes +=
        kept_count * cache.key_value_head_count * kv_block_bytes(kv_type, cache.head_width) / KvLayerCache::kPageTokens;
  }
  return bytes;
}

Inspection inspect_model(const std::string& model) {
  const fs::path path = resolve_model_path(model);
  Inspection inspection;
  inspection.path = path.string();
  inspection.name = fs::absolute(path).lexically_normal().filename().string();
  if (path.extension() == ".safetensors") {
    inspection.format = "safetensors";
    const std::shared_ptr<const SafetensorsFile> file = SafetensorsFile::open(path);
    add_tensors(inspection, *file);
    for (const auto& [key, value] : file->metadata()) inspection.metadata.emplace_back(key, value);
    inspection.problem = "weights alone: the folder with its config.json is what runs";
    return inspection;
  }
  fs::is_directory(path) ? inspect_hugging_face(inspection) : inspect_gguf(inspection);
  try_reading(inspection, [&] { try_loading(inspection); });
  return inspection;
}

}  // namespace pelton::cli
