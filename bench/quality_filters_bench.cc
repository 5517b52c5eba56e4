// Times the four quality filters, one after the other, on the texts of a JSONL file that is in memory. --results writes
// what each says, to be compared with datatrove's.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "data/character_class.h"
#include "data/parallel_items.h"
#include "data/quality_filters.h"
#include "data/word_splitter.h"
#include "jsonl_corpus.h"

namespace pelton::data {
namespace {

using Results = std::array<std::string_view, 4>;  // the rule that each found broken

Results check(std::string_view text, bool splits_at_space) {
  thread_local Words words_at_space;
  thread_local std::string kept;
  words_at_space.clear();
  if (splits_at_space) {
    for_each_space_separated(text, [](std::string_view word) { words_at_space.push_back(word); });
  }
  const auto words = [&]() -> const Words& { return splits_at_space ? words_at_space : words_of(text); };
  const auto name_of = [](const std::optional<BrokenRule>& broken) { return broken ? broken->name : "keep"; };
  Results results;
  results[0] = name_of(GopherQuality().check(text, words()));
  results[1] = name_of(GopherRepetition().check(text, words()));
  results[2] = name_of(C4().check(text, kept));
  results[3] = name_of(FineWeb().check(text, words()));
  return results;
}

int run(int argc, char** argv) {
  CLI::App app("Gopher quality, Gopher repetition, C4 and FineWeb on a JSONL file of `id` and `text`, from memory");
  std::string path, results_path;
  int threads = 0, turns = 5;
  bool splits_at_space = false;
  app.add_option("corpus", path, "a JSONL file");
  app.add_option("--threads", threads, "0: one a core")->capture_default_str();
  app.add_option("--turns", turns, "the best of so many")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_flag("--space", splits_at_space, "words are what stands between white space");
  app.add_option("--results", results_path, "write id and the four results, a line each");
  CLI11_PARSE(app, argc, argv);
  if (path.empty()) {  // as `make bench` calls it
    fmt::print("{}", app.help());
    return 0;
  }
  const JsonlCorpus corpus = JsonlCorpus::read(path);
  Executor executor(threads);
  std::vector<Results> results(corpus.texts.size());
  double seconds = 1e9;
  for (int turn = 0; turn < turns; ++turn) {
    const auto begin = std::chrono::steady_clock::now();
    for_each_item(executor, static_cast<int64_t>(results.size()), [&](int64_t item) {
      const auto index = static_cast<size_t>(item);
      results[index] = check(corpus.texts[index], splits_at_space);
    });
    seconds = std::min(seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  fmt::print("{} records, {:.1f} MB of text, {} threads: {:.1f} MB/s through all four\n", results.size(),
             static_cast<double>(corpus.bytes) / 1e6, executor.thread_count(),
             static_cast<double>(corpus.bytes) / 1e6 / seconds);
  if (!results_path.empty()) {
    std::string lines;
    for (size_t i = 0; i < results.size(); ++i) {
      lines += fmt::format("{}\t{}\t{}\t{}\t{}\n", corpus.ids[i], results[i][0], results[i][1], results[i][2],
                           results[i][3]);
    }
    replace_file(results_path, lines);
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
