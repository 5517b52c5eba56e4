// Times our byte-level encoder and the reference library's on the same text, in turns; the ids must be the same.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "stopwatch.h"
#include "text/reference_tokenizer.h"
#include "text/tokenizer.h"

namespace pelton {
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{1} << 30;

// Whole characters of about `size` bytes each.
std::vector<std::string_view> pieces_of(std::string_view text, size_t size) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    size_t end = std::min(size, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return pieces;
}

size_t count_tokens(const Tokenizer& tokenizer, const std::vector<std::string_view>& pieces) {
  size_t count = 0;
  for (const std::string_view piece : pieces) count += tokenizer.encode(piece, {}).size();
  return count;
}

void run_bench(const std::string& tokenizer_path, const std::string& text_path, size_t piece_bytes) {
  const std::string json = read_file(tokenizer_path, kFileBytesMax);
  const std::string text = read_file(text_path, kFileBytesMax);
  const std::shared_ptr<const Tokenizer> ours = Tokenizer::from_json(json);
  const json::value parsed = parse_json(json, tokenizer_path, {.depth_max = 32});
  const auto library = std::make_shared<ReferenceTokenizer>(json, read_tokenizer_facts(parsed.get_object()));
  const std::vector<std::string_view> pieces = pieces_of(text, piece_bytes);
  for (const std::string_view piece : pieces) {
    if (ours->encode(piece, {}) != library->encode(piece, {})) {
      throw Error(ErrorCode::kInternal, fmt::format("the ids differ for \"{}\"", piece.substr(0, 200)));
    }
  }
  fmt::print("{} bytes in {} texts, {} tokens; encoder: {}\n", text.size(), pieces.size(), count_tokens(*ours, pieces),
             ours->encoder());
  const BurstOptions burst = {.burst_count = 1, .burst_seconds = 0.2};
  double our_seconds = 1e9, library_seconds = 1e9;
  for (int turn = 0; turn < 5; ++turn) {
    our_seconds = std::min(our_seconds, seconds_of(burst, [&] { count_tokens(*ours, pieces); }));
    library_seconds = std::min(library_seconds, seconds_of(burst, [&] { count_tokens(*library, pieces); }));
  }
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  fmt::print("ours    {:>8.1f} MB/s\nlibrary {:>8.1f} MB/s\nratio   {:>8.1f}\n", megabytes / our_seconds,
             megabytes / library_seconds, library_seconds / our_seconds);
}

int run(int argc, char** argv) {
  CLI::App app("Byte-level BPE: our encoder beside the reference library, in turns on one thread");
  std::string tokenizer, text;
  size_t piece_bytes = 4096;
  app.add_option("tokenizer", tokenizer, "a tokenizer.json");
  app.add_option("text", text, "a file of UTF-8 text, some megabytes of it");
  app.add_option("--piece-bytes", piece_bytes, "bytes of a call")
      ->check(CLI::Range(size_t{1}, size_t{1} << 30))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (tokenizer.empty() || text.empty()) {  // as `make bench` calls it
    fmt::print("{}", app.help());
    return 0;
  }
  run_bench(tokenizer, text, piece_bytes);
  return 0;
}

}  // namespace
}  // namespace pelton

int main(int argc, char** argv) {
  try {
    return pelton::run(argc, argv);
  } catch (const pelton::Error& error) {
    fmt::print(stderr, "tokenizer_bench: {}\n", error.message());
    return pelton::error_code_info(error.code()).exit_code;
  }
}
