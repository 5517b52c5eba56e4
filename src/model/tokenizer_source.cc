#include "model/tokenizer_source.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "io/json_file.h"
#include "model/bundle.h"
#include "model/gguf_vocabulary.h"
#include "text/sentencepiece_model.h"
#include "text/tiktoken.h"
#include "text/wordpiece.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTiktokenExtension = ".tiktoken";
constexpr uint64_t kFileBytesMax = uint64_t{256} << 20;  // the largest published have some 40 MB

std::shared_ptr<const Tokenizer> from_gguf_file(const fs::path& path) {
  const GgufVocabulary vocabulary = read_gguf_vocabulary(*GgufFile::open(path));
  return vocabulary.model.empty() && vocabulary.tokens.empty() ? nullptr : Tokenizer::from_gguf(vocabulary);
}

// The folder's only *.tiktoken; empty: it has none. Error kUnsupported: it has several.
fs::path find_tiktoken(const fs::path& folder) {
  fs::path found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() != kTiktokenExtension) continue;
    if (!found.empty()) {
      throw Error(ErrorCode::kUnsupported, fmt::format("{} holds several files of ranks: {} and {}", folder.string(),
                                                       found.filename().string(), entry.path().filename().string()));
    }
    found = entry.path();
  }
  return found;
}

std::string tiktoken_file_json(const fs::path& path) {
  return json::serialize(tiktoken_tokenizer_json(read_file(path, kFileBytesMax), path.stem().string()));
}

std::optional<json::object> read_config_beside(const fs::path& path) {
  const fs::path beside = path.parent_path() / "tokenizer_config.json";
  std::error_code ignored;
  if (!fs::exists(beside, ignored)) return std::nullopt;
  return read_json_object(beside, kFileBytesMax);
}

// What goes around a text stands in tokenizer_config.json, or is a matter of the class that it names.
std::string sentencepiece_file_json(const fs::path& path) {
  SentencePieceModel model = read_sentencepiece_model(read_file(path, kFileBytesMax));
  if (const std::optional<json::object> config = read_config_beside(path)) {
    const JsonReader reader(*config, "tokenizer_config.json");
    const std::string name = reader.string("tokenizer_class").value_or("");
    const bool adds_bos = name.starts_with("Llama") || name.starts_with("CodeLlama") || name.starts_with("Gemma");
    model.vocabulary.adds_bos = reader.boolean("add_bos_token").value_or(adds_bos);
    model.vocabulary.adds_eos = reader.boolean("add_eos_token").value_or(false);
  }
  return json::serialize(sentencepiece_tokenizer_json(model));
}

std::string wordpiece_file_json(const fs::path& path) {
  const std::string vocab_txt = read_file(path, kFileBytesMax);
  return json::serialize(wordpiece_tokenizer_json(read_wordpiece_file(vocab_txt, read_config_beside(path))));
}

}  // namespace

std::optional<std::string> folder_tokenizer_json(const fs::path& folder) {
  std::error_code ignored;
  if (const fs::path file = folder / "tokenizer.json"; fs::exists(file, ignored)) {
    return read_file(file, kFileBytesMax);
  }
  if (const fs::path file = folder / "tokenizer.model"; fs::exists(file, ignored)) return sentencepiece_file_json(file);
  if (const fs::path file = folder / "vocab.txt"; fs::exists(file, ignored)) return wordpiece_file_json(file);
  if (const fs::path file = find_tiktoken(folder); !file.empty()) return tiktoken_file_json(file);
  return std::nullopt;
}

std::shared_ptr<const Tokenizer> load_folder_tokenizer(const fs::path& folder) {
  const std::optional<std::string> tokenizer_json = folder_tokenizer_json(folder);
  return tokenizer_json ? Tokenizer::from_json(*tokenizer_json) : nullptr;
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& model) {
  const fs::path path = resolve_model_path(model);
  std::error_code ignored;
  std::shared_ptr<const Tokenizer> tokenizer;
  if (fs::is_directory(path, ignored)) {
    tokenizer = load_folder_tokenizer(path);
  } else if (path.extension() == ".json") {
    tokenizer = Tokenizer::from_json(read_file(path, kFileBytesMax));
  } else if (path.extension() == ".model") {
    tokenizer = Tokenizer::from_json(sentencepiece_file_json(path));
  } else if (path.extension() == kTiktokenExtension) {
    tokenizer = Tokenizer::from_json(tiktoken_file_json(path));
  } else {
    tokenizer = from_gguf_file(path);
  }
  if (tokenizer == nullptr) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} has no tokenizer", path.string()));
  }
  return tokenizer;
}

}  // namespace pelton
