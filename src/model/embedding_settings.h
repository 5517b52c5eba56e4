// How the hidden states of a text become its embedding, and where models say so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "io/gguf.h"
#include "model/spec.h"

namespace pelton {

// Which rows count: that of the first token, the mean of all, that of the last token.
enum class Pooling : uint8_t { kCls, kMean, kLastToken };
std::string_view pooling_name(Pooling pooling);  // "cls", "mean", "last"
std::optional<Pooling> parse_pooling(std::string_view name);
std::vector<std::string> pooling_names();

struct EmbeddingSettings {
  Pooling pooling = Pooling::kMean;
  bool normalizes = true;                  // to length 1
  std::optional<int64_t> token_count_max;  // of a text, as its makers say; none: what the model has positions for
  std::string prompt;                      // goes before each text
  // Matryoshka (Kusupati et al. 2022, arXiv 2205.13147): the first numbers of an embedding are one themselves.
  bool is_matryoshka = false;
  std::vector<int64_t> matryoshka_dimensions;  // which ones; empty: any
};

// Where nobody says: the mean of an encoder's rows, a decoder's last one.
EmbeddingSettings default_embedding_settings(const ModelSpec& spec);

// A folder of sentence-transformers (modules.json, its Pooling and Normalize, sentence_bert_config.json,
// config_sentence_transformers.json; Matryoshka from config.json or a README.md that names it); of any other, the
// default. Errors: kUnsupported (a module or a way of pooling that Pelton lacks: named), kCorruptFile, kIo.
EmbeddingSettings read_embedding_settings(const std::filesystem::path& folder, const json::object& config,
                                          const ModelSpec& spec);
// `ARCHITECTURE.pooling_type`. Errors as above.
EmbeddingSettings read_embedding_settings(const GgufFile& file, const ModelSpec& spec);

// Error kInvalidArgument, parameter `dimensions`: an embedding of `width` numbers cannot be cut to so many.
void check_dimensions(const EmbeddingSettings& settings, int64_t dimensions, int64_t width);

}  // namespace pelton
