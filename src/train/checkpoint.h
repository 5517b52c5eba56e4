// All that a training run needs to go on where it was, in one file that appears whole or not at all.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "io/safetensors.h"

namespace pelton {

using CheckpointNotes = std::map<std::string, std::string>;  // "step", "fingerprint", …

// Error kIo: the old checkpoint, if there is one, is still there.
void write_checkpoint(const std::filesystem::path& path, std::span<const NamedTensor> state,
                      const CheckpointNotes& notes);
// What was noted. Errors: kNotFound, kIo, kCorruptFile.
CheckpointNotes read_checkpoint_notes(const std::filesystem::path& path);
// Fills the tensors of `state`. Errors: as above; kCorruptFile: a tensor is missing or has another shape. Nothing has
// been filled then.
void read_checkpoint(const std::filesystem::path& path, std::span<NamedTensor> state);

}  // namespace pelton
