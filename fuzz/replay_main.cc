// Runs a fuzz target over the files of its corpus, for builds without libFuzzer: fuzz_NAME FILE_OR_FOLDER...
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <set>
#include <string>

#include "base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
constexpr uint64_t kInputBytesMax = uint64_t{1} << 20;

void collect_inputs(const fs::path& path, std::set<fs::path>& inputs) {
  if (!fs::is_directory(path)) {
    inputs.insert(path);
    return;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) inputs.insert(entry.path());
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::set<fs::path> inputs;
  try {
    for (int i = 1; i < argument_count; ++i) collect_inputs(arguments[i], inputs);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  if (inputs.empty()) {
    std::fprintf(stderr, "no inputs: name files or folders\n");
    return 2;
  }
  for (const fs::path& input : inputs) {
    std::string contents;
    try {
      contents = pelton::read_file(input, kInputBytesMax);
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(contents.data()), contents.size());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: escaped: %s\n", input.c_str(), error.what());
      return 1;
    }
  }
  std::printf("%zu inputs\n", inputs.size());
  return 0;
}
