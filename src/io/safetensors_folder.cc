#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "io/in_quotes.h"
#include "io/json_file.h"
#include "io/path_exists.h"
#include "io/safetensors.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t kIndexBytesMax = uint64_t{100} << 20;
constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";

[[noreturn]] void fail(const fs::path& file, std::string_view reason) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", file.string(), reason));
}

// The tensors of several files as one source. Shards in the order of their names, tensors in the order of the shard.
class ShardedSafetensors final : public TensorSource {
 public:
  const std::vector<TensorEntry>& entries() const override { return entries_; }

  std::optional<Tensor> find(std::string_view name) const override {
    const auto found = shard_of_.find(name);
    return found == shard_of_.end() ? std::nullopt : found->second->find(name);
  }

  void add(const fs::path& path) {
    shards_.push_back(SafetensorsFile::open(path));
    for (const TensorEntry& entry : shards_.back()->entries()) {
      if (!shard_of_.emplace(entry.name, shards_.back().get()).second) {
        fail(path, fmt::format("tensor {} is in another shard too", in_quotes(entry.name)));
      }
      entries_.push_back(entry);
    }
  }

 private:
  std::vector<std::shared_ptr<const SafetensorsFile>> shards_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, const SafetensorsFile*, std::less<>> shard_of_;
};

// The index's `weight_map` turned round: which tensors each shard has to hold.
using Promises = std::map<std::string, std::vector<std::string>>;

Promises read_index(const fs::path& index) {
  const json::object root = read_json_object(index, kIndexBytesMax);
  const json::value* map = root.if_contains("weight_map");
  if (map == nullptr || !map->is_object()) fail(index, "weight_map: expected an object of tensor: shard");
  Promises promises;
  for (const auto& [tensor, shard] : map->get_object()) {
    if (!shard.is_string()) fail(index, fmt::format("weight_map: {}: expected a file name", in_quotes(tensor)));
    const std::string name(shard.get_string());
    // A plain name cannot leave the folder. NUL would cut it short for the system.
    const bool is_plain = name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos && name != "..";
    if (!is_plain || !name.ends_with(".safetensors")) {
      fail(index, fmt::format("weight_map: {}: {} is no plain name of a safetensors file in this folder",
                              in_quotes(tensor), in_quotes(name)));
    }
    promises[name].emplace_back(tensor);
  }
  return promises;
}

std::shared_ptr<const TensorSource> open_shards(const fs::path& folder, const fs::path& index) {
  auto source = std::make_shared<ShardedSafetensors>();
  for (const auto& [shard, tensors] : read_index(index)) {
    const fs::path path = folder / shard;
    if (!path_exists(path)) fail(index, fmt::format("the shard {} is missing", in_quotes(shard)));
    source->add(path);
    for (const std::string& tensor : tensors) {
      if (!source->find(tensor))
        fail(path, fmt::format("tensor {} is missing; the index promises it", in_quotes(tensor)));
    }
  }
  return source;
}

bool has_pickled_weights(const fs::path& folder) {
  std::error_code ignored;
  const fs::directory_iterator files(folder, ignored);
  return std::any_of(begin(files), end(files), [](const fs::directory_entry& file) {
    const fs::path extension = file.path().extension();
    return extension == ".bin" || extension == ".pt" || extension == ".pth";
  });
}

}  // namespace

std::shared_ptr<const TensorSource> open_safetensors_folder(const fs::path& folder) {
  if (const fs::path file = folder / kSingleFile; path_exists(file)) return SafetensorsFile::open(file);
  if (const fs::path index = folder / kIndexFile; path_exists(index)) return open_shards(folder, index);
  if (has_pickled_weights(folder)) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{}: has only .bin or .pt weights, which can run code when they are loaded; convert them to "
                    "safetensors",
                    folder.string()));
  }
  throw Error(ErrorCode::kNotFound, fmt::format("{}: has neither {} nor {}", folder.string(), kSingleFile, kIndexFile));
}

}  // namespace pelton
