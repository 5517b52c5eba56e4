#include "model/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf_part_name.h"
#include "io/hf_folder.h"
#include "io/hub/cached_model.h"
#include "io/hub/hub_environment.h"
#include "model/adapter.h"
#include "model/gguf_vocabulary.h"
#include "model/model.h"
#include "model/special_tokens.h"
#include "model/tokenizer_source.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kGgufExtension = ".gguf";

// Spellings of tokens that end a turn in published chat models. A file may name only one end token and mean several.
constexpr std::string_view kTurnEnds[] = {"<|im_end|>",    "<|eot_id|>",    "<|eom_id|>", "<|end|>",
                                          "<end_of_turn>", "<|endoftext|>", "</s>"};

// The file's name without extension, or what the parts of a split model share of it.
std::string model_name(const fs::path& gguf) {
  const std::string name = gguf.filename().string();
  const std::optional<GgufPartName> part = parse_gguf_part_name(name);
  return part ? std::string(part->stem) : gguf.stem().string();
}

std::vector<std::string> cached_model_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
    if (entry.path().extension() == kGgufExtension) names.push_back(model_name(entry.path()));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// The first part of the split model of this name in `folder`; empty: there is none.
fs::path find_split_model(const fs::path& folder, std::string_view name) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string file = entry.path().filename().string();
    const std::optional<GgufPartName> part = parse_gguf_part_name(file);
    if (part && part->stem == name && part->number == 1) return entry.path();
  }
  return {};
}

std::string token_text(const Tokenizer& tokenizer, std::optional<int64_t> token) {
  if (!token || *token < 0 || *token >= tokenizer.vocabulary_size()) return "";
  return std::string(tokenizer.token_bytes(static_cast<TokenId>(*token)));
}

// The end tokens that the files name, and those that this vocabulary has under a well-known spelling as control tokens.
std::vector<TokenId> end_tokens(const Tokenizer& tokenizer, const std::set<int64_t>& named) {
  std::set<int64_t> ends;
  for (const int64_t token : named) {
    if (token >= 0 && token < tokenizer.vocabulary_size()) ends.insert(token);
  }
  for (const std::string_view spelling : kTurnEnds) {
    const auto token = tokenizer.find(spelling);
    if (token && tokenizer.is_special(*token)) ends.insert(index_of(*token));
  }
  std::vector<TokenId> tokens;
  for (const int64_t token : ends) tokens.push_back(static_cast<TokenId>(token));
  return tokens;
}

// A vocabulary larger than the model's could give ids that have no embedding.
void check_vocabulary(const Tokenizer& tokenizer, const ModelSpec& spec) {
  if (tokenizer.vocabulary_size() > spec.vocabulary_size) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("the tokenizer has {} tokens, the model's embedding only {}",
                                                     tokenizer.vocabulary_size(), spec.vocabulary_size));
  }
}

void load_gguf(const fs::path& path, ModelBundle& bundle) {
  const std::shared_ptr<const GgufFile> file = GgufFile::open(path);
  bundle.model = load_gguf_model(*file);
  bundle.embedding = read_embedding_settings(*file, bundle.model->spec);
  bundle.classifier = read_classifier_settings(*file, bundle.model->spec);
  const GgufVocabulary vocabulary = read_gguf_vocabulary(*file);
  if (vocabulary.model.empty() && vocabulary.tokens.empty()) return;
  bundle.tokenizer = Tokenizer::from_gguf(vocabulary);
  check_vocabulary(*bundle.tokenizer, bundle.model->spec);
  std::set<int64_t> named_ends;
  for (const std::string_view key : {"eos", "eot", "eom"}) {
    if (const auto token = file->integer(fmt::format("tokenizer.ggml.{}_token_id", key))) named_ends.insert(*token);
  }
  bundle.end_tokens = end_tokens(*bundle.tokenizer, named_ends);
  if (auto source = file->string("tokenizer.chat_template")) {
    bundle.chat_template = ChatTemplate::parse(std::move(*source), token_text(*bundle.tokenizer, vocabulary.bos),
                                               token_text(*bundle.tokenizer, vocabulary.eos));
  }
}

GenerationDefaults read_generation_defaults(const json::object& config) {
  const JsonReader reader(config, "generation_config.json");
  GenerationDefaults defaults;
  defaults.temperature = reader.number("temperature", 0, 100);
  defaults.top_p = reader.number("top_p", 0, 1);
  defaults.top_k = reader.integer("top_k", 0, 1 << 24);
  defaults.min_p = reader.number("min_p", 0, 1);
  defaults.repetition_penalty = reader.number("repetition_penalty", 1e-3, 100);
  return defaults;
}

void load_hugging_face(const fs::path& path, ModelBundle& bundle) {
  HfFolder folder = read_hf_folder(path);
  bundle.model = load_hugging_face_model(path, folder.config);
  if (folder.generation_config) bundle.generation = read_generation_defaults(*folder.generation_config);
  bundle.embedding = read_embedding_settings(path, folder.config, bundle.model->spec);
  bundle.classifier = read_classifier_settings(folder.config, bundle.model->spec);
  bundle.tokenizer = load_folder_tokenizer(path);
  if (bundle.tokenizer == nullptr) return;
  check_vocabulary(*bundle.tokenizer, bundle.model->spec);
  std::set<int64_t> named_ends;
  for (const int64_t token : end_token_ids(folder.config)) named_ends.insert(token);
  if (folder.generation_config) {
    for (const int64_t token : end_token_ids(*folder.generation_config)) named_ends.insert(token);
  }
  const std::string eos = special_token_text(folder.tokenizer_config, "eos_token");
  if (!eos.empty()) {
    if (const auto token = bundle.tokenizer->find(eos)) named_ends.insert(index_of(*token));
  }
  bundle.end_tokens = end_tokens(*bundle.tokenizer, named_ends);
  if (folder.chat_template && !bundle.model->spec.is_encoder) {
    bundle.chat_template = ChatTemplate::parse(std::move(*folder.chat_template),
                                               special_token_text(folder.tokenizer_config, "bos_token"), eos);
  }
}

void apply_adapter(const AdapterChoice& choice, ModelBundle& bundle) {
  const Adapter adapter = read_adapter(choice.path, *bundle.model);
  if (choice.mode == AdapterMode::kUnmerged) {
    bundle.model = with_adapter(*bundle.model, adapter);
    return;
  }
  Executor executor(0);
  bundle.model = merge_adapter(executor, *bundle.model, adapter);
}

}  // namespace

fs::path resolve_model_path(const std::string& model) {
  if (model.empty())
    throw Error(ErrorCode::kInvalidArgument, "no model given: a path, or the name of one in the cache");
  std::error_code ignored;
  if (fs::exists(model, ignored)) return model;
  const fs::path folder = cache_folder() / "models";
  if (model.find('/') == std::string::npos) {
    for (const fs::path& candidate : {folder / (model + std::string(kGgufExtension)), folder / model}) {
      if (fs::exists(candidate, ignored)) return candidate;
    }
    if (fs::path part = find_split_model(folder, model); !part.empty()) return part;
  }
  if (const std::optional<HubName> name = parse_hub_name(model)) {
    try {
      return find_cached_model(HubCache(read_hub_environment().cache), *name);
    } catch (const Error& error) {
      if (model.starts_with("hf:") || error.code() != ErrorCode::kNotFound) throw;
      throw Error(error.code(), fmt::format("no model \"{}\": no such file or folder, and {}", model, error.message()));
    }
  }
  const std::vector<std::string> names = cached_model_names(folder);
  throw Error(ErrorCode::kNotFound,
              fmt::format("no model \"{}\": no such file or folder, and {} in {}", model,
                          names.empty() ? "nothing" : fmt::format("only {}", fmt::join(names, ", ")), folder.string()));
}

std::shared_ptr<const ModelBundle> load_bundle(const std::string& model, const std::optional<AdapterChoice>& adapter) {
  auto bundle = std::make_shared<ModelBundle>();
  bundle->path = resolve_model_path(model);
  const fs::path full_path = fs::absolute(bundle->path).lexically_normal();
  const bool is_folder = fs::is_directory(bundle->path);
  bundle->name = (full_path.has_filename() ? full_path : full_path.parent_path()).filename().string();
  if (!is_folder && bundle->name.ends_with(kGgufExtension)) bundle->name = model_name(full_path);
  if (const auto repository = repository_of_snapshot_path(full_path); repository && is_folder) {
    bundle->name = *repository;  // the folder is called by its commit
  }
  try {
    is_folder ? load_hugging_face(bundle->path, *bundle) : load_gguf(bundle->path, *bundle);
  } catch (const Error& error) {
    if (error.message().find(bundle->path.string()) != std::string::npos) throw;
    const ErrorCode code = error.code() == ErrorCode::kInvalidArgument ? ErrorCode::kCorruptFile : error.code();
    throw Error(code, fmt::format("{}: {}", bundle->path.string(), error.message()));
  }
  if (adapter) apply_adapter(*adapter, *bundle);
  return bundle;
}

}  // namespace pelton
