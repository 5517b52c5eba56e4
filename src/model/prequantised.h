// Hugging Face folders whose weights other programs have quantised (config.json's `quantization_config`): the same
// tensors under the names that they would have otherwise.
//
// A matrix keeps its exact values. MXFP4 is a type of ours. Where they are integers times a scale of a block they get
// the smallest of our block formats that holds them without loss (Q4_0, Q4_1, Q8_0), else BF16 where that holds them,
// else F32. What the program itself rounds to (bitsandbytes) gets that type. Quantised activations are not imitated.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "io/tensor_source.h"

namespace pelton {

// For people, as in "gptq, 4 bits, groups of 128"; empty: the configuration names no quantisation.
std::string quantisation_name(const json::object& config);

// `source` itself where there is no quantisation. The result keeps it.
// Errors: kUnsupported (a method or an option of one that Pelton lacks, by name, with the way out), kCorruptFile (a
// tensor of a set is missing or does not fit the others; numbers that are not finite or out of range).
std::shared_ptr<const TensorSource> dequantised_tensors(const json::object& config,
                                                        std::shared_ptr<const TensorSource> source);

}  // namespace pelton
