#include "model/embedding_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "io/json_file.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{4} << 20;
constexpr int64_t kTokenCountMax = int64_t{1} << 24;

struct PoolingName {
  Pooling pooling;
  std::string_view name;
};
constexpr PoolingName kPoolings[] = {{Pooling::kCls, "cls"}, {Pooling::kMean, "mean"}, {Pooling::kLastToken, "last"}};

[[noreturn]] void unsupported(const fs::path& file, std::string_view what) {
  throw Error(ErrorCode::kUnsupported, fmt::format("{}: {} is not supported", file.string(), what));
}

std::optional<json::object> read_optional_object(const fs::path& path) {
  if (!path_exists(path)) return std::nullopt;
  return read_json_object(path, kFileBytesMax);
}

// 1_Pooling/config.json: one flag a mode in most, one word in new ones.
Pooling read_pooling(const fs::path& file, const ModelSpec& spec) {
  const json::object config = read_json_object(file, kFileBytesMax);
  const JsonReader reader(config, file.string());
  if (reader.integer("word_embedding_dimension", 1, kTokenCountMax).value_or(spec.width) != spec.width) {
    throw Error(ErrorCode::kCorruptFile,
                fmt::format("{}: word_embedding_dimension is not the model's width of {}", file.string(), spec.width));
  }
  constexpr std::string_view kMode = "pooling_mode";
  std::vector<std::string> modes;
  if (const json::value* value = reader.value(kMode)) {
    if (value->is_array()) unsupported(file, "a list of pooling modes");
    modes.push_back(*reader.string(kMode));
  }
  for (const auto& member : config) {
    const std::string_view key = member.key();
    if (!key.starts_with(kMode) || key == kMode || member.value() != true) continue;
    modes.emplace_back(key.substr(kMode.size() + 1));
  }
  if (modes.size() != 1) unsupported(file, fmt::format("pooling by {} modes at once", modes.size()));
  if (!reader.boolean("include_prompt").value_or(true)) unsupported(file, "include_prompt false");
  if (modes[0] == "cls_token" || modes[0] == "cls") return Pooling::kCls;
  if (modes[0] == "mean_tokens" || modes[0] == "mean") return Pooling::kMean;
  if (modes[0] == "lasttoken") return Pooling::kLastToken;
  unsupported(file, fmt::format("the pooling mode {}", modes[0]));
}

// Text that goes before all others unless somebody says otherwise.
std::string read_default_prompt(const fs::path& folder) {
  const fs::path file = folder / "config_sentence_transformers.json";
  const std::optional<json::object> config = read_optional_object(file);
  if (!config) return "";
  const JsonReader reader(*config, file.string());
  const auto name = reader.string("default_prompt_name");
  if (!name) return "";
  const json::object* prompts = reader.object("prompts");
  const json::value* prompt = prompts == nullptr ? nullptr : prompts->if_contains(*name);
  if (prompt == nullptr || !prompt->is_string()) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: there is no prompt \"{}\"", file.string(), *name));
  }
  return std::string(prompt->get_string());
}

void read_modules(const fs::path& folder, const ModelSpec& spec, EmbeddingSettings& settings) {
  const fs::path file = folder / "modules.json";
  const json::value modules = parse_json(read_file(file, kFileBytesMax), file.string());
  if (!modules.is_array()) throw Error(ErrorCode::kCorruptFile, fmt::format("{}: no list", file.string()));
  settings.normalizes = false;
  for (const json::value& item : modules.get_array()) {
    const JsonReader module = JsonReader::of(item, file.string());
    const std::string type = module.string("type").value_or("");
    const std::string path = module.string("path").value_or("");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (kind == "Transformer") {
      if (!path.empty()) unsupported(file, fmt::format("a transformer in the folder {} of its own", path));
    } else if (kind == "Pooling") {
      // A name, no way out of the folder.
      if (path.empty() || path.find('/') != std::string::npos || path.starts_with('.')) {
        throw Error(ErrorCode::kCorruptFile, fmt::format("{}: the path \"{}\"", file.string(), path));
      }
      settings.pooling = read_pooling(folder / path / "config.json", spec);
    } else if (kind == "Normalize") {
      settings.normalizes = true;
    } else {
      unsupported(file, fmt::format("the module {}", type));
    }
  }
}

// By config.json, as vLLM reads it, or by the card's words.
void read_matryoshka(const fs::path& folder, const json::object& config, EmbeddingSettings& settings) {
  const JsonReader reader(config, "config.json");
  if (const json::array* dimensions = reader.array("matryoshka_dimensions")) {
    for (const json::value& value : *dimensions) {
      if (!value.is_int64() || value.get_int64() < 1) reader.fail("matryoshka_dimensions", "positive integers");
      settings.matryoshka_dimensions.push_back(value.get_int64());
    }
  }
  settings.is_matryoshka = reader.boolean("is_matryoshka").value_or(false) || !settings.matryoshka_dimensions.empty();
  const fs::path card = folder / "README.md";
  std::error_code ignored;
  if (settings.is_matryoshka || fs::file_size(card, ignored) > kFileBytesMax || !path_exists(card)) return;
  const std::string text = read_file(card, kFileBytesMax);
  settings.is_matryoshka = text.find("atryoshka") != std::string::npos;  // with a capital or without
}

}  // namespace

std::string_view pooling_name(Pooling pooling) {
  return std::find_if(std::begin(kPoolings), std::end(kPoolings),
                      [&](const PoolingName& row) { return row.pooling == pooling; })
      ->name;
}

std::optional<Pooling> parse_pooling(std::string_view name) {
  for (const PoolingName& row : kPoolings) {
    if (row.name == name) return row.pooling;
  }
  return std::nullopt;
}

std::vector<std::string> pooling_names() {
  std::vector<std::string> names;
  for (const PoolingName& row : kPoolings) names.emplace_back(row.name);
  return names;
}

EmbeddingSettings default_embedding_settings(const ModelSpec& spec) {
  EmbeddingSettings settings;
  settings.pooling = spec.is_encoder ? Pooling::kMean : Pooling::kLastToken;
  return settings;
}

EmbeddingSettings read_embedding_settings(const fs::path& folder, const json::object& config, const ModelSpec& spec) {
  EmbeddingSettings settings = default_embedding_settings(spec);
  read_matryoshka(folder, config, settings);
  if (!path_exists(folder / "modules.json")) return settings;
  read_modules(folder, spec, settings);
  settings.prompt = read_default_prompt(folder);
  const fs::path file = folder / "sentence_bert_config.json";
  if (const std::optional<json::object> limits = read_optional_object(file)) {
    settings.token_count_max = JsonReader(*limits, file.string()).integer("max_seq_length", 1, kTokenCountMax);
  }
  return settings;
}

EmbeddingSettings read_embedding_settings(const GgufFile& file, const ModelSpec& spec) {
  // llama.cpp's enum llama_pooling_type; "rank" is a classifier over the first row.
  enum : int64_t { kNone, kMean, kCls, kLast, kRank };
  EmbeddingSettings settings = default_embedding_settings(spec);
  const std::string key = file.string("general.architecture").value_or("") + ".pooling_type";
  const int64_t type = file.integer(key).value_or(kNone);
  if (type == kNone) return settings;
  if (type < kNone || type > kRank) {
    throw Error(ErrorCode::kUnsupported, fmt::format("GGUF metadata: {} {} is not known", key, type));
  }
  settings.pooling = type == kMean ? Pooling::kMean : type == kLast ? Pooling::kLastToken : Pooling::kCls;
  return settings;
}

void check_dimensions(const EmbeddingSettings& settings, int64_t dimensions, int64_t width) {
  const auto refuse = [](const std::string& message) {
    throw Error(ErrorCode::kInvalidArgument, message, "dimensions");
  };
  if (dimensions == width) return;
  if (dimensions < 1 || dimensions > width) {
    refuse(fmt::format("dimensions: {}; this model's embeddings have {}", dimensions, width));
  }
  if (!settings.is_matryoshka) {
    refuse(
        fmt::format("dimensions: this model was not trained for shorter embeddings (Matryoshka) than its own of {}; "
                    "leave the field out",
                    width));
  }
  const std::vector<int64_t>& sizes = settings.matryoshka_dimensions;
  if (!sizes.empty() && std::find(sizes.begin(), sizes.end(), dimensions) == sizes.end()) {
    refuse(fmt::format("dimensions: {}; this model was trained for {}", dimensions, fmt::join(sizes, ", ")));
  }
}

}  // namespace pelton
