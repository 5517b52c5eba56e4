// `pelton data train-filter`: a classifier of good and bad records.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_text.h"
#include "base/rng.h"
#include "cli/data_commands.h"
#include "cli/output.h"
#include "data/scan.h"
#include "data/text_classifier.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "Good and bad records are told apart by the words that they use (hashed n-grams, logistic regression). A tenth of "
    "the texts is held out, and says how well that goes. The step `classifier: {model: FILE, score_min: 0.5}` of a "
    "recipe drops what scores less; with `field: NAME` it writes the score into each record.\n"
    "\n"
    "Example:\n"
    "  pelton data train-filter --good books.jsonl --bad web.jsonl -o filter.safetensors\n";

struct TrainFilterFlags {
  std::vector<std::string> good;
  std::vector<std::string> bad;
  std::string output;
  data::ClassifierOptions classifier;
  uint64_t records_max = 200'000;
  bool as_json = false;
};

// Up to `count_max` texts, a uniform sample of all (Vitter's algorithm R). How many records there were.
uint64_t sample_texts(const std::vector<std::string>& inputs, uint64_t count_max, uint64_t seed,
                      std::vector<std::string>& texts) {
  Rng rng(seed);
  uint64_t seen = 0;
  data::scan_records(data::find_input_files(inputs), std::nullopt, [&](const data::ScannedRecord& scanned) {
    const std::string_view text = data::whole_text(scanned.record, scanned.arena);
    const uint64_t place = seen++ < count_max ? texts.size() : rng.next_below(seen);
    if (place == texts.size()) {
      texts.emplace_back(text);
    } else if (place < count_max) {
      texts[place] = text;
    }
    return true;
  });
  return seen;
}

int train_filter(const TrainFilterFlags& flags) {
  data::ClassifierTrainer trainer(flags.classifier);
  const auto add_all = [&](const std::vector<std::string>& inputs, bool is_good) {
    std::vector<std::string> texts;
    const uint64_t seen = sample_texts(inputs, flags.records_max, flags.classifier.seed, texts);
    if (seen > texts.size())
      print_note(fmt::format("{} of {} {} records are used", texts.size(), seen, is_good ? "good" : "bad"));
    for (const std::string& text : texts) trainer.add(text, is_good);
  };
  add_all(flags.good, true);
  add_all(flags.bad, false);
  data::ClassifierReport report;
  trainer.train(report).save(flags.output);
  if (flags.as_json) {
    print_json({{"trained_good", report.trained_good},
                {"trained_bad", report.trained_bad},
                {"held_good", report.held_good},
                {"held_bad", report.held_bad},
                {"loss", json_number(report.loss)},
                {"area_under_curve", json_number(report.area)},
                {"accuracy", json_number(report.accuracy)},
                {"kept_good", json_number(report.kept_good)},
                {"kept_bad", json_number(report.kept_bad)},
                {"threshold_95", json_number(report.threshold_95)},
                {"kept_bad_95", json_number(report.kept_bad_95)},
                {"output", flags.output}});
    return 0;
  }
  std::string text = fmt::format("Trained on   {} good, {} bad texts\n", report.trained_good, report.trained_bad);
  if (report.held_good == 0 || report.held_bad == 0) {
    text += "Held out     too few to say how good it is\n";
  } else {
    text += fmt::format(
        "Held out     {} good, {} bad: {:.1f} % right at 0.5, area under the curve {:.3f}\n"
        "score_min    0.5 keeps {:.1f} % of the good and {:.1f} % of the bad; {:.4f} keeps 95 % and {:.1f} %\n",
        report.held_good, report.held_bad, 100 * report.accuracy, report.area, 100 * report.kept_good,
        100 * report.kept_bad, report.threshold_95, 100 * report.kept_bad_95);
  }
  print_text(text + fmt::format("It is in     {}\n", flags.output));
  return 0;
}

}  // namespace

std::function<int()> add_data_train_filter(CLI::App& app) {
  const auto flags = std::make_shared<TrainFilterFlags>();
  app.add_option("--good", flags->good, "Records to keep: files, folders or globs")->required()->type_name("INPUT");
  app.add_option("--bad", flags->bad, "Records to drop")->required()->type_name("INPUT");
  app.add_option("-o,--output", flags->output, "The classifier, a safetensors file")->required()->type_name("FILE");
  app.add_option("--ngram", flags->classifier.ngram, "Words in a row, up to so many")
      ->check(CLI::Range(1, 8))
      ->capture_default_str();
  app.add_option("--buckets", flags->classifier.buckets, "Numbers that n-grams are hashed to")
      ->check(CLI::Range(1 << 8, 1 << 26))
      ->capture_default_str();
  app.add_option("--epochs", flags->classifier.epochs, "Times through the texts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--records-max", flags->records_max, "Of each kind at most so many, sampled evenly")
      ->check(CLI::Range(10, 1 << 30))
      ->capture_default_str();
  app.add_option("--seed", flags->classifier.seed, "Another seed, another sample and order")->capture_default_str();
  app.add_flag("--json", flags->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [flags] { return train_filter(*flags); };
}

}  // namespace pelton::cli
