// Times the search for near duplicates in the texts of a JSONL file that is in memory: sketching, then deciding, with
// verification. --drops writes what was found, to be compared with a known truth.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "data/near_duplicates.h"
#include "data/parallel_items.h"
#include "jsonl_corpus.h"

namespace pelton::data {
namespace {

struct Columns {
  std::vector<SketchColumns::Head> heads;
  std::vector<std::vector<uint64_t>> keys;
  std::vector<uint32_t> shingles;
};

// In batches, as the pipeline does.
Columns sketch_all(const JsonlCorpus& corpus, const NearDuplicateOptions& options, Executor& executor) {
  constexpr size_t kBatch = 64;
  const Sketcher sketcher(options);
  const size_t batches = (corpus.texts.size() + kBatch - 1) / kBatch;
  std::vector<std::vector<Sketch>> sketches(batches);
  for_each_item(executor, static_cast<int64_t>(batches), [&](int64_t item) {
    const auto batch = static_cast<size_t>(item);
    for (size_t i = batch * kBatch; i < std::min(corpus.texts.size(), (batch + 1) * kBatch); ++i) {
      sketcher.sketch(corpus.texts[i], sketches[batch].emplace_back());
    }
  });
  Columns columns;
  columns.keys.resize(static_cast<size_t>(options.keys_per_record()));
  for (const std::vector<Sketch>& batch : sketches) {
    for (const Sketch& sketch : batch) {
      columns.heads.push_back({0, sketch.shingles.size()});
      columns.shingles.insert(columns.shingles.end(), sketch.shingles.begin(), sketch.shingles.end());
      for (size_t key = 0; key < sketch.keys.size(); ++key) columns.keys[key].push_back(sketch.keys[key]);
    }
  }
  return columns;
}

NearDuplicates find(const Columns& columns, const NearDuplicateOptions& options, Executor& executor) {
  SketchColumns views{columns.heads, {}, columns.shingles};
  for (const std::vector<uint64_t>& keys : columns.keys) views.keys.emplace_back(keys);
  return find_near_duplicates(views, options, {std::filesystem::temp_directory_path()}, executor);
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int run(int argc, char** argv) {
  CLI::App app("Near duplicates in a JSONL file of `id` and `text`, from memory");
  std::string path, drops;
  int threads = 0, turns = 5;
  NearDuplicateOptions options;
  app.add_option("corpus", path, "a JSONL file");
  app.add_option("--threads", threads, "0: one a core")->capture_default_str();
  app.add_option("--turns", turns, "the best of so many")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--verify", options.similarity_min, "least true similarity; 0: not verified")->capture_default_str();
  app.add_flag_callback("--fineweb-words", [&] { options.normalization = WordNormalization::kFineWeb; });
  app.add_option("--drops", drops, "write id, id of the match, similarity here, a line each");
  CLI11_PARSE(app, argc, argv);
  if (path.empty()) {  // as `make bench` calls it
    fmt::print("{}", app.help());
    return 0;
  }
  const JsonlCorpus corpus = JsonlCorpus::read(path);
  Executor executor(threads);
  NearDuplicates found;
  double sketch_seconds = 1e9, find_seconds = 1e9;
  size_t shingle_count = 0;
  for (int turn = 0; turn < turns; ++turn) {
    const auto begin = std::chrono::steady_clock::now();
    const Columns columns = sketch_all(corpus, options, executor);
    sketch_seconds = std::min(sketch_seconds, seconds_since(begin));
    const auto middle = std::chrono::steady_clock::now();
    found = find(columns, options, executor);
    find_seconds = std::min(find_seconds, seconds_since(middle));
    shingle_count = columns.shingles.size();
  }
  const double megabytes = static_cast<double>(corpus.bytes) / 1e6;
  const auto count = static_cast<double>(corpus.texts.size());
  fmt::print("{} records, {:.1f} MB of text, {} threads\n", corpus.texts.size(), megabytes, executor.thread_count());
  fmt::print("sketch  {:8.1f} MB/s\nfind    {:8.1f} MB/s\nboth    {:8.1f} MB/s\n", megabytes / sketch_seconds,
             megabytes / find_seconds, megabytes / (sketch_seconds + find_seconds));
  fmt::print("dropped {}, pairs verified {}\n", found.dropped.size(), found.pairs_verified);
  fmt::print("bytes a record: {:.1f} in memory (10 million records: {:.0f} MB), {:.0f} on disk\n",
             static_cast<double>(found.memory_bytes_max) / count,
             static_cast<double>(found.memory_bytes_max) / count * 10,
             static_cast<double>(sizeof(SketchColumns::Head)) + options.keys_per_record() * 8.0 +
                 static_cast<double>(shingle_count) * 4 / count);
  if (!drops.empty()) {
    std::string lines;
    for (const NearDuplicate& drop : found.dropped) {
      lines += fmt::format("{}\t{}\t{:.4f}\n", corpus.ids[drop.record], corpus.ids[drop.duplicate_of], drop.similarity);
    }
    replace_file(drops, lines);
  }
  return 0;
}

}  // namespace
}  // namespace pelton::data

int main(int argc, char** argv) {
  try {
    return pelton::data::run(argc, argv);
  } catch (const pelton::Error& error) {
    fmt::print(stderr, "error: {}\n", error.message());
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
  }
  return 1;
}
