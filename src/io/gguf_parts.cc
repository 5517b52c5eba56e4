// The parts of a split GGUF model as one file (GgufFile::open, GgufFile::join).
#include <fmt/format.h>

#include "base/check.h"
#include "base/error.h"
#include "io/gguf.h"
#include "io/gguf_part_name.h"
#include "io/in_quotes.h"
#include "io/path_exists.h"

namespace pelton {
namespace {

constexpr std::string_view kNumberKey = "split.no";  // from 0
constexpr std::string_view kCountKey = "split.count";
constexpr std::string_view kTensorCountKey = "split.tensors.count";  // of all parts

[[noreturn]] void refuse_part(const GgufFile& part, std::string_view reason) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", part.path().string(), reason));
}

void check_number(const GgufFile& part, std::string_view key, int64_t expected) {
  const std::optional<int64_t> found = part.integer(key);
  if (found == expected) return;
  refuse_part(part, fmt::format("{} is {}; expected {} of this part of a split model", key,
                                found ? fmt::format("{}", *found) : "missing", expected));
}

// Only the first part speaks for the model. What another one says beside must be the same, or would be lost.
void check_metadata(const GgufFile& first, const GgufFile& part) {
  for (const auto& [key, value] : part.metadata()) {
    if (key.starts_with("split.") || key == "general.alignment") continue;
    const auto found = first.metadata().find(key);
    if (found == first.metadata().end() || found->second != value) {
      refuse_part(part, fmt::format("the metadata key {} {} in the model's first part", in_quotes(key),
                                    found == first.metadata().end() ? "is not" : "has another value"));
    }
  }
}

}  // namespace

std::shared_ptr<const GgufFile> GgufFile::open(const std::filesystem::path& path) {
  std::shared_ptr<const GgufFile> given = open_part(path);
  const int64_t count = given->integer(kCountKey).value_or(1);
  if (count <= 1) return given;
  const std::string full_name = path.string();
  const std::optional<GgufPartName> name = parse_gguf_part_name(full_name);
  if (!name || name->count != count) {
    refuse_part(*given,
                fmt::format("is one of the {} parts of a split model by its metadata, but not by its name; expected "
                            "MODEL-00001-of-{:05}.gguf, with the other parts beside it",
                            count, count));
  }
  std::vector<std::shared_ptr<const GgufFile>> parts;
  for (int number = 1; number <= name->count; ++number) {
    const std::filesystem::path part = to_string(GgufPartName{name->stem, number, name->count});
    if (number == name->number) {
      parts.push_back(given);
      continue;
    }
    if (!path_exists(part)) {
      throw Error(ErrorCode::kNotFound, fmt::format("{}: part {} of the {} of this model is missing: {}", full_name,
                                                    number, count, part.string()));
    }
    parts.push_back(open_part(part));
  }
  return join(parts);
}

std::shared_ptr<const GgufFile> GgufFile::join(const std::vector<std::shared_ptr<const GgufFile>>& parts) {
  CHECK(!parts.empty());
  const GgufFile& first = *parts.front();
  const std::shared_ptr<GgufFile> whole(new GgufFile(first));
  whole->part_count_ = static_cast<int64_t>(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    const GgufFile& part = *parts[i];
    check_number(part, kNumberKey, static_cast<int64_t>(i));
    check_number(part, kCountKey, whole->part_count_);
    if (i == 0) continue;
    check_metadata(first, part);
    for (size_t j = 0; j < part.entries_.size(); ++j) {
      if (!whole->index_.emplace(part.entries_[j].name, whole->entries_.size()).second) {
        refuse_part(part, fmt::format("the tensor {} is in another part too", in_quotes(part.entries_[j].name)));
      }
      whole->entries_.push_back(part.entries_[j]);
      whole->places_.push_back(part.places_[j]);
    }
  }
  check_number(first, kTensorCountKey, static_cast<int64_t>(whole->entries_.size()));
  // The views of the metadata's keys are of the copy's own.
  for (GgufEncodedPair& pair : whole->encoded_metadata_) pair.key = whole->metadata_.find(pair.key)->first;
  return whole;
}

std::string gguf_format_name(const GgufFile& file) {
  const std::string parts = file.part_count() > 1 ? fmt::format(" in {} parts", file.part_count()) : "";
  return fmt::format("GGUF {}{}", file.version(), parts);
}

}  // namespace pelton
