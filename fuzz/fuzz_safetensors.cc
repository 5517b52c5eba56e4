// Any bytes as a safetensors file: read whole or refused by an Error.
#include <cstdint>
#include <span>

#include "base/error.h"
#include "io/safetensors.h"
#include "read_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = pelton::SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "fuzz.safetensors");
    pelton::read_tensors(*file);
  } catch (const pelton::Error&) {
  }
  return 0;
}
