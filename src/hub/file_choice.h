// Which files of a repository a pull is about, and which never come. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/hub_api.h"

namespace pelton {

struct FileChoice {
  std::vector<HubFile> files;  // by path
  // Sentences about what is left out though one might expect it.
  std::vector<std::string> notes;
};

// A model's name without a glob: config, tokenizer, card and licence, and the weights as safetensors; where there are
// none, the only GGUF file (a split one counts as one). A data set's: Parquet, JSONL (also packed), card and licence.
// A glob: what it matches (cached_model.h: a bare word too), and nothing else.
//
// Files of formats that can run code when they are read (pickle, and programs) never come.
// Errors: kNotFound (nothing matches; nothing that Pelton reads: says what there is), kInvalidArgument (several GGUF
// files: names them with their sizes), kUnsupported (all that matches could run code: says the way out).
FileChoice choose_files(const HubName& name, const std::vector<HubFile>& all);

// ".bin", ".pt", ".pth", ".ckpt", ".pkl" and their like: Python's pickle, or an archive of it, runs what it says.
bool can_run_code(std::string_view path);

}  // namespace pelton
