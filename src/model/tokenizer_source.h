// A model's tokenizer without its weights.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace pelton {

// tokenizer.json, else SentencePiece's tokenizer.model, else vocab.txt of WordPiece; nullptr: the folder has none.
// Errors: those of the Tokenizer's makers.
std::shared_ptr<const Tokenizer> load_folder_tokenizer(const std::filesystem::path& folder);

// `model` is a tokenizer.json, a tokenizer.model, or what resolve_model_path() takes. Errors: those of that and of
// Tokenizer; kUnsupported: the model has no tokenizer.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& model);

}  // namespace pelton
