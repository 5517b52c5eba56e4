// What LoRA adapters cost a decoding step: rows that share the base, with no adapter, with one for all, and with
// several, each for its part of the rows; beside the same adapter as plain layer calls (--adapter-mode unmerged). Steps
// take turns, so that whatever else the machine does hits all alike.
//
//   build/release/bench/adapters_bench ~/.cache/pelton/models/smollm2-135m-instruct-q4_1.gguf
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/bundle.h"
#include "model/decoder.h"
#include "model/prepared_adapter.h"
#include "model/random_adapter.h"

namespace pelton {
namespace {

struct Options {
  std::string model;
  int64_t row_count = 16;
  int64_t rank = 16;
  int64_t context = 128;
  int round_count = 60;
  int thread_count = 0;
};

// A decoder with rows at the end of their contexts, and whose adapters they have.
class Contestant {
 public:
  Contestant(Executor& executor, std::string name, std::shared_ptr<const Model> model, const Options& options,
             std::vector<const PreparedAdapter*> adapters)
      : name_(std::move(name)) {
    const int64_t pages_each = options.context / KvLayerCache::kPageTokens + 1;
    decoder_ = std::make_unique<Decoder>(executor, std::move(model),
                                         DecoderOptions{.kv_type = ElementType::kI8,
                                                        .page_count = options.row_count * pages_each,
                                                        .row_count_max = options.row_count});
    pages_.resize(static_cast<size_t>(options.row_count * pages_each));
    std::iota(pages_.begin(), pages_.end(), 0);
    for (int64_t row = 0; row < options.row_count; ++row) {
      batch_.tokens.push_back(static_cast<int32_t>(100 + row));
      batch_.sequences.push_back(
          {row, 1, options.context,
           std::span(pages_).subspan(static_cast<size_t>(row * pages_each), static_cast<size_t>(pages_each))});
      batch_.logit_rows.push_back(static_cast<int32_t>(row));
      if (adapters.empty()) continue;
      const auto count = static_cast<int64_t>(adapters.size());
      batch_.adapters.push_back(adapters[static_cast<size_t>(row * count / options.row_count)]);
    }
  }

  void step() {
    const SteadyClock clock;
    const TimePoint start = clock.now();
    decoder_->step_largest(batch_, 1);
    milliseconds_.push_back(milliseconds(clock.now() - start));
  }
  void forget() { milliseconds_.clear(); }
  const std::string& name() const { return name_; }
  double median() const {
    std::vector<double> sorted = milliseconds_;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
    return sorted[sorted.size() / 2];
  }

 private:
  std::string name_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<int32_t> pages_;
  StepBatch batch_;
  std::vector<double> milliseconds_;
};

void compare(Executor& executor, const std::shared_ptr<const Model>& base, const Options& options,
             const std::string& title, const std::function<bool(std::string_view)>& changes) {
  const RandomAdapterOptions shape{.rank = options.rank, .size = 0.01f, .changes = changes};
  std::vector<std::unique_ptr<PreparedAdapter>> adapters;
  for (uint64_t i = 0; i < 16; ++i) {
    adapters.push_back(
        std::make_unique<PreparedAdapter>(*base, random_adapter(*base, i, shape), ActivationType::kInt8));
  }
  std::vector<std::unique_ptr<Contestant>> all;
  all.push_back(
      std::make_unique<Contestant>(executor, "base alone", base, options, std::vector<const PreparedAdapter*>()));
  for (const size_t count : {1u, 4u, 16u}) {
    std::vector<const PreparedAdapter*> some;
    for (size_t i = 0; i < count; ++i) some.push_back(adapters[i].get());
    all.push_back(std::make_unique<Contestant>(executor, fmt::format("{} adapters", count), base, options, some));
  }
  all.push_back(std::make_unique<Contestant>(executor, "1, as plain calls",
                                             with_adapter(*base, random_adapter(*base, 0, shape)), options,
                                             std::vector<const PreparedAdapter*>()));
  for (int round = 0; round < options.round_count + 5; ++round) {
    for (const auto& contestant : all) contestant->step();
    if (round == 4) {
      for (const auto& contestant : all) contestant->forget();
    }
  }
  fmt::print("{} ({:.1f} MiB each), {} rows, rank {}\n", title,
             static_cast<double>(adapters[0]->size_bytes()) / (1 << 20), options.row_count, options.rank);
  for (const auto& contestant : all) {
    const double slower = contestant->median() / all[0]->median();
    fmt::print("  {:<20} {:7.2f} ms a step   {:7.0f} tok/s   {:+5.1f} %\n", contestant->name(), contestant->median(),
               1000.0 * static_cast<double>(options.row_count) / contestant->median(), 100 * (1 / slower - 1));
  }
}

void run(const Options& options) {
  Executor executor(options.thread_count);
  const auto base = load_bundle(options.model)->model;
  compare(executor, base, options, "query and value (PEFT's default)",
          [](std::string_view name) { return name.ends_with("attention.query") || name.ends_with("attention.value"); });
  compare(executor, base, options, "all linear layers", {});
}

}  // namespace
}  // namespace pelton

int main(int argc, char** argv) {
  pelton::Options options;
  CLI::App app("What LoRA adapters cost a decoding step");
  app.add_option("model", options.model, "A model, as `pelton run -m` takes it")->required();
  app.add_option("--rows", options.row_count, "Sequences, each with a row")->capture_default_str();
  app.add_option("--rank", options.rank, "R of the adapters")->capture_default_str();
  app.add_option("--context", options.context, "Positions before each row")->capture_default_str();
  app.add_option("--rounds", options.round_count, "Steps of each")->capture_default_str();
  app.add_option("-t,--threads", options.thread_count, "Threads; 0: one a core")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  pelton::run(options);
}
