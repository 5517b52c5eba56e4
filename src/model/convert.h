// Models from one file format to another, and from one element type to another: tensor by tensor, in the memory of a
// tensor or two.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/conversion_plan.h"
#include "ops/executor.h"

namespace pelton {

struct ConvertProgress {
  int64_t bytes_done = 0;
  int64_t bytes_total = 0;
  std::string_view tensor;  // the one in work
};

struct ConvertOptions {
  std::filesystem::path source;       // a GGUF file or a Hugging Face folder
  std::filesystem::path destination;  // ends in ".gguf": such a file; else a folder
  std::string type;                   // a name of type_mixes(); empty: types stay, as far as the destination has them
  bool replaces = false;              // a destination that is there
  // The source's model with other weights (with_weights()), which are written in place of the source's.
  std::shared_ptr<const Model> changed = nullptr;
  std::function<void(const ConvertProgress&)> on_progress = [](const ConvertProgress&) {};
  std::function<bool()> is_cancelled = [] { return false; };  // asked every few megabytes
};

struct ConvertedType {
  ElementType type;
  int64_t tensor_count = 0;
  int64_t bytes = 0;
};

struct ConvertReport {
  std::string source_format;  // "GGUF 3", "Hugging Face folder"
  std::string destination_format;
  int64_t tensor_count = 0;
  int64_t source_bytes = 0;          // of the tensors
  int64_t destination_bytes = 0;     // of the tensors
  std::vector<ConvertedType> types;  // most bytes first
  std::vector<TypeFallback> fallbacks;
  std::vector<std::string> notes;
  // Of the changed weights: √(Σ(written - meant)² / Σ meant²). 0 where the types hold them exactly.
  double changed_error = 0;
};

// The destination appears whole or not at all. The same source and type give the same bytes, whatever the threads; a
// folder's GGUF file has the folder's name in its metadata. Errors: those of reading and planning
// (model/conversion_plan.h); kInvalidArgument (a destination that is there and may not be replaced, or holds other
// things than a model; a value that the type cannot hold: recode_tensor); kResourceExhausted (too little room on the
// disk, found before anything is written); kCancelled; kIo.
ConvertReport convert_model(Executor& executor, const ConvertOptions& options);
// What convert_model() would refuse of these for the source's sake, without writing; the destination is a folder.
void check_conversion(const ConvertOptions& options);
// The same files into a folder that is there, which becomes the model's (`destination` is that folder, `replaces` has
// no meaning).
ConvertReport write_model_files(Executor& executor, const ConvertOptions& options);

}  // namespace pelton
