// What a conversion will write, before anything is written: every tensor with its source, every small file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/gguf.h"
#include "io/gguf_metadata.h"
#include "io/gguf_writer.h"
#include "io/hf_folder.h"
#include "model/arch.h"
#include "model/row_order.h"
#include "model/spec.h"
#include "model/type_mix.h"
#include "tensor/tensor.h"

namespace pelton {

struct Model;

// Rows of a planned tensor.
struct PlannedRows {
  Tensor source;  // of as many columns
  RowOrder order = RowOrder::kSame;
};

struct PlannedTensor {
  TensorEntry target;
  std::vector<PlannedRows> parts;  // one after the other: several weights may share a tensor
};

// A tensor that did not get the type that it should have.
struct TypeFallback {
  TensorEntry target;
  ElementType wanted;
};

struct ConversionPlan {
  std::vector<PlannedTensor> tensors;  // in the order of the new file
  int64_t head_width = 0;              // for tensors whose rows change their order
  std::vector<TypeFallback> fallbacks;
  std::vector<std::string> notes;  // what a person should know

  // To GGUF.
  GgufMetadata metadata;
  uint64_t alignment = GgufWriter::kAlignmentDefault;
  // To a folder: name and contents of all files beside the weights.
  std::vector<std::pair<std::string, std::string>> files;

  // What the result must read back as; null: nothing but tensors was touched.
  const Architecture* architecture = nullptr;
  ModelSpec spec;
};

// `mix` null: types stay (to GGUF and back: as far as the other format has them). `changed` not null: the same model,
// whose weights are written in place of the source's, in the types that those would have. Errors: those of reading the
// source; kUnsupported (names what the other format cannot say, or where a changed weight has no place),
// kInvalidArgument (a mix that a folder cannot hold).
ConversionPlan plan_gguf_to_gguf(const GgufFile& source, const TypeMix* mix, const Model* changed = nullptr);
ConversionPlan plan_folder_to_gguf(const HfFolder& source, const TypeMix* mix, const Model* changed = nullptr);
ConversionPlan plan_gguf_to_folder(const GgufFile& source, const TypeMix* mix, const Model* changed = nullptr);
ConversionPlan plan_folder_to_folder(const HfFolder& source, const TypeMix* mix, const Model* changed = nullptr);

}  // namespace pelton
