// The names of a split GGUF model's files, as llama.cpp's gguf-split gives them: "model-00002-of-00005.gguf".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pelton {

struct GgufPartName {
  std::string_view stem;  // "model": what all parts share, with its folder where the path had one
  int number = 0;         // from 1
  int count = 0;
};

// Nothing for the name or path of a file that is whole. Views into `path`.
std::optional<GgufPartName> parse_gguf_part_name(std::string_view path);
std::string to_string(const GgufPartName& name);

}  // namespace pelton
