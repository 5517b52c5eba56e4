// From a hub's name to what can be loaded of it, by the cache alone: nothing here reaches the network.
#pragma once

#include <filesystem>

#include "io/hub/hub_cache.h"

namespace pelton {

// A snapshot's folder (config.json and safetensors), or a GGUF file in it: the one that the name's glob matches, or the
// only one; of a split model the first part. A glob may also be a word out of the file's name, as "Q4_K_M".
// Errors: kNotFound (not in the cache, or no such file of it: says what to pull), kInvalidArgument (several GGUF files:
// names them; a data set; a folder of no model).
std::filesystem::path find_cached_model(const HubCache& cache, const HubName& name);

// The pattern that a glob stands for: itself where one of `paths` matches it, else, for a bare word of letters, digits,
// '_' and '-', "*WORD*.gguf" in any case where that matches one. Empty where nothing matches.
std::vector<std::string> matching_paths(std::string_view glob, const std::vector<std::string>& paths);

// "model-00002-of-00005.gguf" is part 2; nothing for a file that is whole.
std::optional<int> gguf_part_number(std::string_view path);

}  // namespace pelton
