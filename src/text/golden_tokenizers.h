// For tests: small tokenizers, trained by the reference libraries, with what those libraries make of texts
// (tests/golden/text/README.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/golden_dir.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace pelton {

inline json::object read_golden(const std::string& name) {
  const std::string path = std::string(kGoldenDir) + "/text/" + name + ".json";
  return parse_json(read_file(path, 1 << 20), path).as_object();
}

inline GgufVocabulary golden_vocabulary(const json::object& gguf) {
  const auto id = [&](const char* key) -> std::optional<int64_t> {
    return gguf.contains(key) ? std::optional(gguf.at(key).as_int64()) : std::nullopt;
  };
  GgufVocabulary vocabulary;
  vocabulary.model = gguf.at("model").as_string();
  vocabulary.pre = gguf.at("pre").as_string();
  vocabulary.tokens = json::value_to<std::vector<std::string>>(gguf.at("tokens"));
  vocabulary.token_types = json::value_to<std::vector<int64_t>>(gguf.at("token_types"));
  if (gguf.contains("scores")) vocabulary.scores = json::value_to<std::vector<float>>(gguf.at("scores"));
  if (gguf.contains("merges")) vocabulary.merges = json::value_to<std::vector<std::string>>(gguf.at("merges"));
  if (gguf.contains("adds_bos")) vocabulary.adds_bos = gguf.at("adds_bos").as_bool();
  vocabulary.bos = id("bos");
  vocabulary.eos = id("eos");
  vocabulary.unknown = id("unknown");
  return vocabulary;
}

inline std::shared_ptr<const Tokenizer> golden_tokenizer(const std::string& name) {
  return Tokenizer::from_gguf(golden_vocabulary(read_golden(name).at("gguf").as_object()));
}

inline std::vector<int32_t> ids_of(const std::vector<TokenId>& tokens) {
  std::vector<int32_t> ids;
  for (const TokenId token : tokens) ids.push_back(index_of(token));
  return ids;
}

}  // namespace pelton
