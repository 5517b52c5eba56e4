// What a model file or folder holds, as plain data: read without running it, and as far as it can be understood.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/plan_listing.h"
#include "io/tensor_source.h"
#include "model/graph.h"
#include "model/spec.h"
#include "tensor/element_type.h"
#include "text/token_id.h"

namespace pelton::cli {

struct ElementTypeUse {
  ElementType type;
  int64_t tensor_count = 0;
  int64_t element_count = 0;
  int64_t bytes = 0;
};

struct SpecialToken {
  int64_t id;
  std::string text;
};

struct VocabularyFacts {
  std::string kind;     // "byte-level BPE (smollm)"
  std::string encoder;  // whose code makes tokens of text; empty where the model does not run
  int64_t size = 0;
  std::optional<SpecialToken> bos;
  std::vector<SpecialToken> ends;     // any of them ends an answer
  std::vector<SpecialToken> special;  // all control tokens
};

// All texts are as the file has them: unchecked bytes.
struct Inspection {
  std::string name;
  std::string path;
  std::string format;  // "GGUF 3", "Hugging Face folder", "safetensors"
  std::string architecture;
  std::string quantisation;  // by another program, and as what its matrices are computed; empty: none
  std::vector<TensorEntry> tensors;
  std::vector<ElementTypeUse> types;  // the one with the most bytes first
  std::vector<std::pair<std::string, std::string>> metadata;
  std::optional<ModelSpec> spec;
  std::optional<VocabularyFacts> vocabulary;
  std::optional<std::string> chat_template;
  std::optional<InferencePlan> plan;  // of a model that runs
  // Of a model that runs: all its parameters, and those that one token uses.
  std::optional<int64_t> parameters;
  std::optional<int64_t> active_parameters;
  std::optional<std::string> problem;  // why Pelton cannot run it

  int64_t element_count() const;
  int64_t weight_bytes() const;
};

// What the layers that keep keys and values keep.
std::vector<KvCacheShape> kv_caches(const ModelSpec& spec);
// All of it for one sequence of `token_count` tokens; layers with a window keep no more tokens than it has.
int64_t kv_bytes(const ModelSpec& spec, ElementType kv_type, int64_t token_count);

// `model` as resolve_model_path() takes it, or a .safetensors file. What can be read but not run becomes `problem`.
// Errors: kNotFound, kIo, kCorruptFile: the file cannot be read at all.
Inspection inspect_model(const std::string& model);

}  // namespace pelton::cli
