// IA³ adapters as they lie in PEFT's folders (IA3Config): of a module `ia3_l`, [N, 1], or, of feedforward modules,
// [1, K]. Of adapter_files.cc only.
#pragma once

#include "base/json.h"
#include "io/safetensors.h"
#include "model/adapter.h"
#include "model/model.h"
#include "model/peft_folder.h"

namespace pelton {

// Errors: kCorruptFile (numbers that do not fit the base, or not what the configuration says of feedforward modules);
// kUnsupported (whole modules beside them; tensors that are no `ia3_l`, or of no matrix of the base).
Adapter read_peft_ia3(const json::object& config, const SafetensorsFile& file, const Model& base);

// Where the base has several matrices in one module, numbers of rows that the adapter leaves alone are 1. Errors
// kUnsupported: columns of such matrices with different numbers.
PeftFiles peft_ia3_files(const Adapter& adapter, const Model& base);

}  // namespace pelton
