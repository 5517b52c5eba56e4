#include "train/example_reader.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "model/model.h"
#include "train/token_file.h"

namespace pelton {
namespace fs = std::filesystem;

int64_t sequence_length_max(const ModelBundle& bundle, const TuneRecipe& recipe) {
  return std::min(recipe.sequence_length, bundle.model->spec.context_length);
}

ExampleReader::ExampleReader(std::shared_ptr<const ModelBundle> bundle, const TuneRecipe& recipe)
    : bundle_(std::move(bundle)),
      recipe_(recipe),
      length_max_(sequence_length_max(*bundle_, recipe)),
      encoder_(bundle_, {.sequence_length_max = length_max_, .now_unix_s = recipe.now_unix_s}) {}

std::vector<Example> ExampleReader::read(const std::vector<std::string>& paths, RecordCounts& counts,
                                         const Wants& wants) const {
  std::vector<fs::path> files(paths.begin(), paths.end());
  const auto token_files =
      std::stable_partition(files.begin(), files.end(), [](const fs::path& path) { return !is_token_file(path); });
  std::vector<Example> examples;
  for (auto file = token_files; file != files.end(); ++file) {
    read_token_file(*file, *bundle_->tokenizer, length_max_, examples, counts);
  }
  if (wants) std::erase_if(examples, [&](const Example& example) { return !wants(nullptr, example); });
  files.erase(token_files, files.end());
  if (files.empty()) return examples;
  const RecordCounts read =
      read_records(files, recipe_.skip_bad_records ? BadRecord::kSkip : BadRecord::kStop, [&](const Record& record) {
        Example example = encoder_.encode(record);
        if (!wants || wants(&record, example)) examples.push_back(std::move(example));
      });
  for (const auto& [form, count] : read.by_form) counts.by_form[form] += count;
  counts.skipped += read.skipped;
  if (counts.first_skipped.empty()) counts.first_skipped = read.first_skipped;
  return examples;
}

}  // namespace pelton
