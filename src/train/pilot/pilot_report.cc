#include "train/pilot/pilot_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/json_text.h"
#include "report/html_page.h"
#include "report/line_plot.h"
#include "report/text_table.h"

namespace pelton {
namespace {

// Under so much of the variance a curve says less than the noise around it.
constexpr double kExplainedMin = 0.5;
// Under so many records of an eval, intervals of a bootstrap are themselves rough.
constexpr int64_t kRecordsMin = 30;
// With fewer seeds a bootstrap knows too little of how runs differ: it is by a factor of √(1 - 1 / seeds) too sure.
constexpr size_t kSeedsMin = 5;
// Less than this, in nats a token, is nothing: texts with tables show four places.
constexpr double kGainMin = 0.00005;

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }
std::string points(double share) { return fmt::format("{:.1f}", 100 * std::abs(share)); }
std::string interval(const Estimate& estimate) { return fmt::format("{:.3f} to {:.3f}", estimate.low, estimate.high); }
std::string percent_interval(const Estimate& estimate) {
  return fmt::format("{:.1f} to {:.1f}", 100 * estimate.low, 100 * estimate.high);
}

// As long as one of the two ends is not zero, its sign says which way.
std::string signed_interval(const Estimate& estimate) {
  return fmt::format("{:+.3f} to {:+.3f}", estimate.low, estimate.high);
}
std::string signed_points_interval(const Estimate& estimate) {
  return fmt::format("{:+.1f} to {:+.1f}", 100 * estimate.low, 100 * estimate.high);
}

// "less than", "more than": of a difference of losses.
std::string loss_against(const Difference& loss, std::string_view whom) {
  return fmt::format("{:.3f} {} {} (95 % interval of the difference: {}; it is less in {:.0f} % of the draws)",
                     std::abs(loss.by.value), loss.by.value <= 0 ? "less than" : "more than", whom,
                     signed_interval(loss.by), 100 * loss.share_below);
}

std::string exact_against(const Difference& exact, std::string_view whom) {
  return fmt::format("{} points {} than {} ({})", points(exact.by.value), exact.by.value >= 0 ? "more" : "fewer", whom,
                     signed_points_interval(exact.by));
}

// Where it is less than was asked for.
std::string room_of(const PilotSetScores& set, int64_t shot_count) {
  if (set.mean_shot_count > static_cast<double>(shot_count) - 0.05) return "";
  return fmt::format(" ({:.1f} on the average, as many as there is room for)", set.mean_shot_count);
}

// One set, or one beside others.
class Sentences {
 public:
  explicit Sentences(const PilotReport& report) : report_(report), findings_(report.findings) {}

  std::vector<std::string> all() {
    for (size_t set = 0; set < findings_.sets.size(); ++set) {
      say_against_base(set);
      say_curve(set);
    }
    for (size_t set = 1; set < findings_.sets.size(); ++set) say_against_first(set);
    say_doubts();
    return std::move(sentences_);
  }

 private:
  template <typename... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    sentences_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  const std::string& name(size_t set) const { return report_.scores.sets[set].name; }
  int64_t largest() const { return report_.scores.sizes.back(); }

  void say_against_base(size_t index) {
    const PilotSetFindings& set = findings_.sets[index];
    std::string said =
        fmt::format("{}, {} examples: the loss of a reference answer's token is {:.3f}, {}", name(index), largest(),
                    set.sizes.back().loss.value, loss_against(set.from_base.loss, "without finetuning"));
    if (set.from_base.exact) {
      said += fmt::format("; of {} short answers {} are said exactly, {}", findings_.short_count,
                          percent(set.sizes.back().exact->value),
                          exact_against(*set.from_base.exact, "without finetuning"));
    }
    sentences_.push_back(said + ".");
    if (set.few_shot) say_few_shot(index);
    const std::string_view prompted =
        set.few_shot ? "the better of the prompted model with examples and without" : "the prompted model";
    switch (pilot_verdict(set.from_best_baseline)) {
      case PilotVerdict::kBetter:
        say("{}: finetuning seems worth it against {}{}.", name(index), prompted, best_intervals(set));
        break;
      case PilotVerdict::kWorse:
        say("{}: finetuning does not seem worth it with this recipe and these data: {} is better{}.", name(index),
            prompted, best_intervals(set));
        break;
      case PilotVerdict::kUnclear:
        say("{}: whether finetuning is worth it against {} cannot be told from this: {}{}.", name(index), prompted,
            why_unclear(set.from_best_baseline), best_intervals(set));
        break;
    }
  }

  void say_few_shot(size_t index) {
    const PilotFewShotFindings& few_shot = *findings_.sets[index].few_shot;
    std::string said = fmt::format(
        "{}: with {} of its examples before each question{}, and without finetuning, the loss is {:.3f}, {}",
        name(index), few_shot.level.size, room_of(report_.scores.sets[index], few_shot.level.size),
        few_shot.level.loss.value, loss_against(few_shot.from_base.loss, "without examples"));
    if (few_shot.from_base.exact) {
      said += fmt::format("; {} of the short answers are said exactly, {}", percent(few_shot.level.exact->value),
                          exact_against(*few_shot.from_base.exact, "without examples"));
    }
    sentences_.push_back(said + ".");
  }

  // Where there is one baseline, the sentence before has them.
  static std::string best_intervals(const PilotSetFindings& set) {
    if (!set.few_shot) return "";
    const PilotDifference& difference = set.from_best_baseline;
    std::string said = fmt::format(" (loss {}", signed_interval(difference.loss.by));
    if (difference.exact)
      said += fmt::format(", exact answers {} points", signed_points_interval(difference.exact->by));
    return said + ")";
  }

  static std::string_view why_unclear(const PilotDifference& difference) {
    if (difference.loss.is_below() || difference.loss.is_above()) {
      return "the loss and the exact answers contradict each other";
    }
    return difference.exact ? "both intervals hold zero" : "the interval holds zero";
  }

  void say_curve(size_t index) {
    const PilotSetFindings& set = findings_.sets[index];
    if (!set.curve) {
      return say("{}: a curve needs {} sizes or more; nothing can be said about more data.", name(index),
                 PowerLawFit::kSizesMin);
    }
    const PowerLawFit& fit = set.curve->fit;
    if (fit.law.b <= 0) {
      return say(
          "{}: the loss does not fall as the data grow from {} to {} examples, so no gain of more data can be told: "
          "look at the data, or at the recipe.",
          name(index), report_.scores.sizes.front(), largest());
    }
    for (const PilotPrediction& prediction : set.curve->predictions) {
      const double times = static_cast<double>(prediction.size) / static_cast<double>(largest());
      say("{}: with {} examples ({:.3g} times as many) the loss would probably be {:.3f} ({}), {:.3f} less than with "
          "{} (95 % interval: {}){}.",
          name(index), prediction.size, times, prediction.loss.value, interval(prediction.loss), prediction.gain.value,
          largest(), interval(prediction.gain),
          prediction.gain.low < kGainMin ? "; that it brings nothing is within the interval" : "");
    }
    if (fit.explained < kExplainedMin) {
      say("{}: the curve fits poorly: it explains {:.0f} % of how the runs differ; take these predictions for guesses.",
          name(index), 100 * fit.explained);
    }
  }

  void say_against_first(size_t index) {
    const PilotDifference& difference = findings_.sets[index].from_first_set.back();
    const std::string whom = fmt::format("with {}", name(0));
    std::string said = fmt::format("{} against {}, {} examples each: the loss is {}", name(index), name(0), largest(),
                                   loss_against(difference.loss, whom));
    if (difference.exact) said += fmt::format("; {}", exact_against(*difference.exact, whom) + " are said exactly");
    switch (pilot_verdict(difference)) {
      case PilotVerdict::kBetter:
        said += fmt::format(". {} teaches better.", name(index));
        break;
      case PilotVerdict::kWorse:
        said += fmt::format(". {} teaches better.", name(0));
        break;
      case PilotVerdict::kUnclear:
        said += fmt::format(". Which teaches better cannot be told: {}.", why_unclear(difference));
        break;
    }
    sentences_.push_back(std::move(said));
  }

  void say_doubts() {
    if (report_.scores.seeds.size() == 1) {
      say("There is one seed: how much runs differ by chance is in none of the intervals.");
    } else if (report_.scores.seeds.size() < kSeedsMin) {
      say("There are {} seeds: how much runs differ by chance is only roughly known, and the intervals are rather too "
          "narrow; {} or more would be better.",
          report_.scores.seeds.size(), kSeedsMin);
    }
    if (findings_.record_count < kRecordsMin) {
      say("The eval has {} records: its intervals are rough; {} or more would be better.", findings_.record_count,
          kRecordsMin);
    }
    const bool has_curve = std::any_of(findings_.sets.begin(), findings_.sets.end(), [](const PilotSetFindings& set) {
      return set.curve && set.curve->fit.law.b > 0;
    });
    if (has_curve) {
      say("Predictions are for this recipe, data of the same kind, and a curve that keeps its shape far beyond what "
          "was "
          "measured.");
    }
  }

  const PilotReport& report_;
  const PilotFindings& findings_;
  std::vector<std::string> sentences_;
};

// --- tables: the same rows for terminals and pages

using Rows = std::vector<std::vector<std::string>>;

Rows level_rows(const PilotReport& report) {
  const PilotFindings& findings = report.findings;
  const bool has_exact = findings.base_exact.has_value();
  Rows rows = {{"data", "examples", "loss", "95 % interval", "seeds from", "to"}};
  if (has_exact) rows[0].insert(rows[0].end(), {"exact", "95 % interval, %"});
  const auto add = [&](std::string name, int64_t size, const Estimate& loss, const std::vector<double>& seeds,
                       const std::optional<Estimate>& exact) {
    std::vector<std::string>& row = rows.emplace_back();
    row = {std::move(name), fmt::format("{}", size), fmt::format("{:.4f}", loss.value), interval(loss)};
    row.push_back(seeds.empty() ? "" : fmt::format("{:.4f}", *std::min_element(seeds.begin(), seeds.end())));
    row.push_back(seeds.empty() ? "" : fmt::format("{:.4f}", *std::max_element(seeds.begin(), seeds.end())));
    if (has_exact) row.insert(row.end(), {percent(exact->value), percent_interval(*exact)});
  };
  add("without finetuning", 0, findings.base_loss, {}, findings.base_exact);
  for (size_t set = 0; set < findings.sets.size(); ++set) {
    if (const auto& few_shot = findings.sets[set].few_shot) {
      const PilotSizeFindings& level = few_shot->level;
      add(fmt::format("without, {} of {} shown", level.size, report.scores.sets[set].name), 0, level.loss,
          level.seed_losses, level.exact);
    }
    for (const PilotSizeFindings& size : findings.sets[set].sizes) {
      add(report.scores.sets[set].name, size.size, size.loss, size.seed_losses, size.exact);
    }
  }
  return rows;
}

Rows prediction_rows(const PilotReport& report) {
  Rows rows = {{"data", "examples", "loss, predicted", "95 % interval", "gain", "95 % interval"}};
  for (size_t set = 0; set < report.findings.sets.size(); ++set) {
    if (!report.findings.sets[set].curve) continue;
    for (const PilotPrediction& prediction : report.findings.sets[set].curve->predictions) {
      rows.push_back({report.scores.sets[set].name, fmt::format("{}", prediction.size),
                      fmt::format("{:.4f}", prediction.loss.value), interval(prediction.loss),
                      fmt::format("{:.4f}", prediction.gain.value), interval(prediction.gain)});
    }
  }
  return rows;
}

Rows comparison_rows(const PilotReport& report) {
  Rows rows = {{"data", "against", "examples", "loss", "95 % interval", "less in"}};
  for (size_t set = 1; set < report.findings.sets.size(); ++set) {
    const std::vector<PilotDifference>& differences = report.findings.sets[set].from_first_set;
    for (size_t size = 0; size < differences.size(); ++size) {
      const Difference& loss = differences[size].loss;
      rows.push_back({report.scores.sets[set].name, report.scores.sets[0].name,
                      fmt::format("{}", report.scores.sizes[size]), fmt::format("{:+.4f}", loss.by.value),
                      signed_interval(loss.by), fmt::format("{:.0f} %", 100 * loss.share_below)});
    }
  }
  return rows;
}

std::string table_of(const Rows& rows) {
  std::vector<TextColumn> columns;
  for (const std::string& title : rows[0]) columns.push_back({title, columns.empty() ? Align::kLeft : Align::kRight});
  TextTable table(std::move(columns));
  for (size_t i = 1; i < rows.size(); ++i) table.add_row(rows[i]);
  return table.to_string();
}

std::string law_of(const PowerLawFit& fit) {
  return fmt::format("loss(n) = {:.4f} + {:.4f} · n^-{:.3f}, which explains {:.0f} % of how the runs differ", fit.law.a,
                     fit.law.b, fit.law.c, 100 * fit.explained);
}

std::string measured_text(const PilotReport& report) {
  const PilotFindings& findings = report.findings;
  std::string text = fmt::format("{}: an eval of {} records, {} tokens of answers", report.model, findings.record_count,
                                 findings.token_count);
  if (findings.short_count > 0) {
    text += fmt::format(", {} of them short (up to {} tokens)", findings.short_count, kShortAnswerTokensMax);
  }
  text += fmt::format("; {} seeds", report.scores.seeds.size());
  for (const PilotSetScores& set : report.scores.sets) {
    text += fmt::format("; {}: {} records", set.name, set.record_count);
    if (set.leaked_count > 0) {
      const std::string nearly =
          set.nearly_leaked_count > 0 ? fmt::format(", {} of them nearly", set.nearly_leaked_count) : "";
      text += fmt::format(" (without {} that the eval has too{}, which would tell how well it is known by heart)",
                          set.leaked_count, nearly);
    }
  }
  return text + ".";
}

// --- JSON

json::object to_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"low", estimate.low}, {"high", estimate.high}};
}
json::object to_json(const Difference& difference) {
  json::object object = to_json(difference.by);
  object["share_below_zero"] = difference.share_below;
  return object;
}
template <typename T>
json::value to_json(const std::optional<T>& value) {
  return value ? json::value(to_json(*value)) : json::value(nullptr);
}
json::object to_json(const PilotDifference& difference) {
  return {{"loss", to_json(difference.loss)}, {"exact_match", to_json(difference.exact)}};
}

json::object to_json(const PilotCurve& curve, int64_t largest) {
  json::array predictions;
  for (const PilotPrediction& prediction : curve.predictions) {
    predictions.push_back(json::object{{"examples", prediction.size},
                                       {"times", static_cast<double>(prediction.size) / static_cast<double>(largest)},
                                       {"loss", to_json(prediction.loss)},
                                       {"gain", to_json(prediction.gain)}});
  }
  return {{"a", curve.fit.law.a},
          {"b", curve.fit.law.b},
          {"c", curve.fit.law.c},
          {"r_squared", curve.fit.explained},
          {"residual_rms", curve.fit.residual_rms},
          {"predictions", std::move(predictions)}};
}

json::object to_json(const PilotSizeFindings& level) {
  return {{"loss", to_json(level.loss)},
          {"loss_by_seed", json::array(level.seed_losses.begin(), level.seed_losses.end())},
          {"exact_match", to_json(level.exact)}};
}

json::object few_shot_to_json(const PilotFewShotFindings& findings, const PilotSetScores& scores) {
  json::object object = to_json(findings.level);
  object["shots"] = findings.level.size;
  object["mean_shots"] = scores.mean_shot_count;
  object["from_base"] = to_json(findings.from_base);
  return object;
}

json::object set_to_json(const PilotReport& report, size_t index) {
  const PilotSetScores& scores = report.scores.sets[index];
  const PilotSetFindings& set = report.findings.sets[index];
  json::array sizes, from_first;
  for (const PilotSizeFindings& size : set.sizes) {
    json::object level = to_json(size);
    level["examples"] = size.size;
    sizes.push_back(std::move(level));
  }
  for (size_t i = 0; i < set.from_first_set.size(); ++i) {
    json::object difference = to_json(set.from_first_set[i]);
    difference["examples"] = report.scores.sizes[i];
    from_first.push_back(std::move(difference));
  }
  json::object object = {{"name", scores.name},
                         {"records", scores.record_count},
                         {"leaked", scores.leaked_count},
                         {"nearly_leaked", scores.nearly_leaked_count},
                         {"sizes", std::move(sizes)},
                         {"curve", nullptr},
                         {"few_shot", nullptr},
                         {"from_base", to_json(set.from_base)},
                         {"from_best_baseline", to_json(set.from_best_baseline)},
                         {"verdict", pilot_verdict_name(pilot_verdict(set.from_best_baseline))}};
  if (set.few_shot) object["few_shot"] = few_shot_to_json(*set.few_shot, scores);
  if (set.curve) object["curve"] = to_json(*set.curve, report.scores.sizes.back());
  if (index > 0) object["from_first"] = std::move(from_first);
  return object;
}

// --- pictures

using Points = std::vector<std::pair<double, double>>;

std::string loss_picture(const PilotReport& report, size_t index) {
  const PilotSetFindings& set = report.findings.sets[index];
  LinePlot plot{.title = "Loss of a reference answer's token: " + report.scores.sets[index].name,
                .x_label = "examples",
                .y_label = "nats",
                .lines = {},
                .limit = report.findings.base_loss.value};
  Points runs, means;
  for (const PilotSizeFindings& size : set.sizes) {
    for (const double loss : size.seed_losses) runs.emplace_back(static_cast<double>(size.size), loss);
    means.emplace_back(static_cast<double>(size.size), size.loss.value);
  }
  plot.lines.push_back({"runs", std::move(runs), LineStyle::kMarks});
  if (set.few_shot) {
    const double last = set.curve ? static_cast<double>(set.curve->band.back().size) : means.back().first;
    const double loss = set.few_shot->level.loss.value;
    plot.lines.push_back({fmt::format("{} shown", set.few_shot->level.size),
                          {{means.front().first, loss}, {last, loss}},
                          LineStyle::kLine});
  }
  if (!set.curve) {
    plot.lines.push_back({"their means", std::move(means)});
    return to_svg(plot);
  }
  Points curve, low, high;
  for (const PilotPrediction& prediction : set.curve->band) {
    const auto size = static_cast<double>(prediction.size);
    curve.emplace_back(size, prediction.loss.value);
    low.emplace_back(size, prediction.loss.low);
    high.emplace_back(size, prediction.loss.high);
  }
  plot.lines.push_back({"fitted curve", std::move(curve), LineStyle::kLine});
  plot.lines.push_back({"95 % from", std::move(low), LineStyle::kLine});
  plot.lines.push_back({"to", std::move(high), LineStyle::kLine});
  return to_svg(plot);
}

std::string exact_picture(const PilotReport& report) {
  LinePlot plot{.title = "Short answers that are said exactly",
                .x_label = "examples",
                .y_label = "%",
                .lines = {},
                .limit = 100 * report.findings.base_exact->value};
  for (size_t set = 0; set < report.findings.sets.size(); ++set) {
    Points points;
    for (const PilotSizeFindings& size : report.findings.sets[set].sizes) {
      points.emplace_back(static_cast<double>(size.size), 100 * size.exact->value);
    }
    if (const auto& few_shot = report.findings.sets[set].few_shot) {
      const double exact = 100 * few_shot->level.exact->value;
      plot.lines.push_back({fmt::format("{} of {} shown", few_shot->level.size, report.scores.sets[set].name),
                            {{points.front().first, exact}, {points.back().first, exact}},
                            LineStyle::kLine});
    }
    plot.lines.push_back({report.scores.sets[set].name, std::move(points)});
  }
  return to_svg(plot);
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : to_json_text(value);
}

}  // namespace

std::string_view pilot_verdict_name(PilotVerdict verdict) {
  switch (verdict) {
    case PilotVerdict::kBetter:
      return "better";
    case PilotVerdict::kWorse:
      return "worse";
    case PilotVerdict::kUnclear:
      return "unclear";
  }
  return {};
}

PilotVerdict pilot_verdict(const PilotDifference& difference) {
  int votes = difference.loss.is_below() ? 1 : difference.loss.is_above() ? -1 : 0;
  if (difference.exact) votes += difference.exact->is_above() ? 1 : difference.exact->is_below() ? -1 : 0;
  if (votes == 0) return PilotVerdict::kUnclear;
  return votes > 0 ? PilotVerdict::kBetter : PilotVerdict::kWorse;
}

std::vector<std::string> pilot_sentences(const PilotReport& report) { return Sentences(report).all(); }

std::string to_text(const PilotReport& report) {
  std::string text = measured_text(report) + "\n\n" + table_of(level_rows(report));
  const Rows predictions = prediction_rows(report), comparisons = comparison_rows(report);
  if (predictions.size() > 1) text += fmt::format("\n{}", table_of(predictions));
  if (comparisons.size() > 1) text += fmt::format("\n{}", table_of(comparisons));
  text += "\n";
  for (const std::string& sentence : pilot_sentences(report)) text += sentence + "\n";
  return text;
}

json::object to_json(const PilotReport& report) {
  const PilotFindings& findings = report.findings;
  json::array sets, sentences;
  for (size_t set = 0; set < findings.sets.size(); ++set) sets.push_back(set_to_json(report, set));
  for (const std::string& sentence : pilot_sentences(report)) sentences.push_back(json::string(sentence));
  return {{"model", report.model},
          {"recipe", report.recipe},
          {"sizes", json::array(report.scores.sizes.begin(), report.scores.sizes.end())},
          {"seeds", json::array(report.scores.seeds.begin(), report.scores.seeds.end())},
          {"eval",
           {{"records", findings.record_count},
            {"answer_tokens", findings.token_count},
            {"short_answers", findings.short_count}}},
          {"base", {{"loss", to_json(findings.base_loss)}, {"exact_match", to_json(findings.base_exact)}}},
          {"data", std::move(sets)},
          {"sentences", std::move(sentences)}};
}

std::string to_html(const PilotReport& report) {
  HtmlPage page("Data pilot of " + report.model);
  page.add_text(measured_text(report));
  for (const std::string& sentence : pilot_sentences(report)) page.add_text(sentence);
  std::vector<std::string> pictures;
  for (size_t set = 0; set < report.findings.sets.size(); ++set) pictures.push_back(loss_picture(report, set));
  if (report.findings.base_exact) pictures.push_back(exact_picture(report));
  page.add_pictures(pictures);
  page.add_text("Dashed: without finetuning and without examples.");
  page.add_heading("Measured");
  page.add_table(level_rows(report));
  if (const Rows rows = prediction_rows(report); rows.size() > 1) {
    page.add_heading("With more data");
    for (size_t set = 0; set < report.findings.sets.size(); ++set) {
      const auto& curve = report.findings.sets[set].curve;
      if (curve) page.add_text(report.scores.sets[set].name + ": " + law_of(curve->fit) + ".");
    }
    page.add_table(rows);
  }
  if (const Rows rows = comparison_rows(report); rows.size() > 1) {
    page.add_heading("Data set against data set, with as many examples");
    page.add_table(rows);
  }
  page.add_heading("Recipe");
  Rows recipe = {{"key", "value"}};
  for (const auto& [key, value] : report.recipe) {
    if (!value.is_null()) recipe.push_back({std::string(key), text_of(value)});
  }
  page.add_table(recipe);
  return page.to_string();
}

}  // namespace pelton
