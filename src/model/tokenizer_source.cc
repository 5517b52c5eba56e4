#include "model/tokenizer_source.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/error.h"
#include "base/file.h"
#include "io/gguf.h"
#include "io/json_file.h"
#include "model/bundle.h"
#include "model/gguf_vocabulary.h"
#include "text/sentencepiece_model.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{256} << 20;  // the largest published have some 40 MB

std::shared_ptr<const Tokenizer> from_gguf_file(const fs::path& path) {
  const GgufVocabulary vocabulary = read_gguf_vocabulary(*GgufFile::open(path));
  return vocabulary.model.empty() && vocabulary.tokens.empty() ? nullptr : Tokenizer::from_gguf(vocabulary);
}

}  // namespace

std::shared_ptr<const Tokenizer> load_folder_tokenizer(const fs::path& folder) {
  std::error_code ignored;
  if (const fs::path file = folder / "tokenizer.json"; fs::exists(file, ignored)) {
    return Tokenizer::from_json(read_file(file, kFileBytesMax));
  }
  if (const fs::path file = folder / "tokenizer.model"; fs::exists(file, ignored)) {
    return tokenizer_from_sentencepiece(read_file(file, kFileBytesMax));
  }
  if (const fs::path file = folder / "vocab.txt"; fs::exists(file, ignored)) {
    std::optional<json::object> config;
    if (const fs::path beside = folder / "tokenizer_config.json"; fs::exists(beside, ignored)) {
      config = read_json_object(beside, kFileBytesMax);
    }
    return Tokenizer::from_wordpiece(read_file(file, kFileBytesMax), config);
  }
  return nullptr;
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
    tokenizer = tokenizer_from_sentencepiece(read_file(path, kFileBytesMax));
  } else {
    tokenizer = from_gguf_file(path);
  }
  if (tokenizer == nullptr) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} has no tokenizer", path.string()));
  }
  return tokenizer;
}

}  // namespace pelton
