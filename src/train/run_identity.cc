#include "train/run_identity.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "model/model.h"

namespace pelton {
namespace {

// 64-bit FNV-1a (Fowler, Noll, Vo 1991).
class Fnv1a {
 public:
  void add(const void* data, size_t size) {
    for (size_t i = 0; i < size; ++i) hash_ = (hash_ ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001B3u;
  }
  std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  uint64_t hash_ = 0xCBF29CE484222325u;
};

}  // namespace

std::string fingerprint_of(std::string_view text) {
  Fnv1a hash;
  hash.add(text.data(), text.size());
  return hash.text();
}

std::string fingerprint_of(std::span<const Example> examples) {
  Fnv1a hash;
  for (const Example& example : examples) {
    for (const TrainingSequence& sequence : example.sequences) {
      for (size_t i = 0; i < sequence.tokens.size(); ++i) {
        const int32_t both[2] = {sequence.tokens[i], sequence.is_learnt[i] ? 1 : 0};
        hash.add(both, sizeof(both));
      }
    }
    const int32_t label = example.is_desirable ? (*example.is_desirable ? 1 : 2) : 0;
    hash.add(&label, sizeof(label));
  }
  return hash.text();
}

json::object identity_of(const ModelBundle& bundle) {
  json::object model = {{"name", bundle.name}, {"architecture", bundle.model->architecture->name}};
  std::error_code is_folder;
  if (const auto bytes = std::filesystem::file_size(bundle.path, is_folder); !is_folder) model["bytes"] = bytes;
  return model;
}

}  // namespace pelton
