// Any bytes as a GGUF file, and as two parts of one: read whole or refused by an Error.
#include <cstdint>
#include <span>

#include "base/error.h"
#include "io/gguf.h"
#include "read_tensors.h"

namespace {

using pelton::Error;
using pelton::GgufFile;

// The typed readers may refuse a key, never more than that.
void read_metadata(const GgufFile& file) {
  const auto attempt = [](auto read) {
    try {
      read();
    } catch (const Error&) {
    }
  };
  for (const auto& [key, unused] : file.metadata()) {
    const std::string_view name = key;
    attempt([&] { file.integer(name); });
    attempt([&] { file.number(name); });
    attempt([&] { file.boolean(name); });
    attempt([&] { file.string(name); });
    attempt([&] { file.strings(name); });
    attempt([&] { file.numbers(name); });
    attempt([&] { file.integers(name); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz.gguf");
    read_metadata(*file);
    pelton::read_tensors(*file);
    pelton::read_tensors(*GgufFile::join({file, file}));
  } catch (const Error&) {
  }
  return 0;
}
