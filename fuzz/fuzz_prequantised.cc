// A line with a quantization_config, then the bytes of a safetensors file: decoded or refused by an Error.
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "io/safetensors.h"
#include "model/prequantised.h"
#include "read_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  try {
    const pelton::json::value quantisation = pelton::parse_json(input.substr(0, line), "fuzz.json");
    const auto bytes = std::as_bytes(std::span(input.substr(line + 1)));
    const auto file = pelton::SafetensorsFile::parse(bytes, "fuzz.safetensors");
    const pelton::json::object config = {{"quantization_config", quantisation}};
    pelton::read_tensors(*pelton::dequantised_tensors(config, file));
  } catch (const pelton::Error&) {
  }
  return 0;
}
