// A model's tokenizer without its weights.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "text/tokenizer.h"

namespace pelton {

// The folder's tokenizer.json, else what SentencePiece's tokenizer.model, vocab.txt of WordPiece or a *.tiktoken is as
// one; none: the folder has none of these. Errors: those of who makes it.
std::optional<std::string> folder_tokenizer_json(const std::filesystem::path& folder);
// The same as a tokenizer; nullptr: none. Errors: those of the Tokenizer's makers too.
std::shared_ptr<const Tokenizer> load_folder_tokenizer(const std::filesystem::path& folder);

// `model` is a tokenizer.json, a tokenizer.model, a *.tiktoken, or what resolve_model_path() takes. Errors: those of
// that and of Tokenizer; kUnsupported: the model has no tokenizer.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& model);

}  // namespace pelton
