#include "train/pilot/pilot_findings.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"
#include "eval/divergence.h"

namespace pelton {
namespace {

// Which records count how often, and which seeds.
struct Draw {
  std::vector<double> record_weights;
  std::vector<size_t> seeds;
};

Draw all_once(size_t record_count, size_t seed_count) {
  Draw draw{std::vector<double>(record_count, 1), std::vector<size_t>(seed_count)};
  std::iota(draw.seeds.begin(), draw.seeds.end(), size_t{0});
  return draw;
}

Draw drawn(size_t record_count, size_t seed_count, Rng& rng) {
  Draw draw{std::vector<double>(record_count, 0), std::vector<size_t>(seed_count)};
  for (size_t i = 0; i < record_count; ++i) draw.record_weights[rng.next_below(record_count)] += 1;
  for (size_t& seed : draw.seeds) seed = rng.next_below(seed_count);
  return draw;
}

// Of one run, or the mean of some. exact is NaN where a draw has no short answer.
struct Level {
  double loss = 0;
  double exact = 0;
};

Level level_of(const AnswerScores& scores, const Draw& draw) {
  double nll = 0, tokens = 0, exact = 0, short_answers = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double weight = draw.record_weights[i];
    nll += weight * scores[i].nll;
    tokens += weight * static_cast<double>(scores[i].token_count);
    if (scores[i].token_count > kShortAnswerTokensMax) continue;
    short_answers += weight;
    exact += scores[i].is_greedy ? weight : 0;
  }
  return {nll / tokens, short_answers > 0 ? exact / short_answers : std::numeric_limits<double>::quiet_NaN()};
}

// What one draw gives.
struct DrawnSet {
  std::vector<Level> sizes;       // means over the draw's seeds
  std::optional<Level> few_shot;  // likewise
  std::optional<PowerLawFit> curve;
};
struct DrawnPilot {
  Level base;
  std::vector<DrawnSet> sets;
};

std::vector<Level> levels_of(const std::vector<AnswerScores>& runs, const Draw& draw) {
  std::vector<Level> levels;
  for (const AnswerScores& run : runs) levels.push_back(level_of(run, draw));
  return levels;
}

Level mean_of(const std::vector<Level>& by_seed, const Draw& draw) {
  Level mean;
  for (const size_t seed : draw.seeds) {
    mean.loss += by_seed[seed].loss / static_cast<double>(draw.seeds.size());
    mean.exact += by_seed[seed].exact / static_cast<double>(draw.seeds.size());
  }
  return mean;
}

DrawnSet drawn_set(const PilotSetScores& set, const std::vector<int64_t>& sizes, const Draw& draw) {
  DrawnSet result;
  std::vector<CurvePoint> points;
  for (size_t size = 0; size < sizes.size(); ++size) {
    const std::vector<Level> by_seed = levels_of(set.runs[size], draw);
    result.sizes.push_back(mean_of(by_seed, draw));
    for (const size_t seed : draw.seeds) points.push_back({sizes[size], by_seed[seed].loss});
  }
  if (!set.few_shot.empty()) result.few_shot = mean_of(levels_of(set.few_shot, draw), draw);
  result.curve = fit_power_law(points);
  return result;
}

DrawnPilot drawn_pilot(const PilotScores& scores, const Draw& draw) {
  DrawnPilot result;
  result.base = level_of(scores.base, draw);
  for (const PilotSetScores& set : scores.sets) result.sets.push_back(drawn_set(set, scores.sizes, draw));
  return result;
}

// All draws; the first is what was measured.
class Draws {
 public:
  Draws(const PilotScores& scores, const BootstrapOptions& options) {
    const size_t record_count = scores.base.size(), seed_count = scores.seeds.size();
    Rng rng(options.seed);
    draws_.push_back(drawn_pilot(scores, all_once(record_count, seed_count)));
    for (int64_t i = 0; i < options.draw_count; ++i) {
      draws_.push_back(drawn_pilot(scores, drawn(record_count, seed_count, rng)));
    }
  }

  const DrawnPilot& measured() const { return draws_.front(); }

  using Quantity = std::function<double(const DrawnPilot&)>;
  Estimate estimate(const Quantity& quantity) const {
    std::vector<double> values = values_of(quantity);
    Estimate estimate{.value = quantity(measured())};
    estimate.low = quantile(values, 0.025);
    estimate.high = quantile(values, 0.975);
    return estimate;
  }
  Difference difference(const Quantity& quantity) const {
    const std::vector<double> values = values_of(quantity);
    const auto below = std::count_if(values.begin(), values.end(), [](double value) { return value < 0; });
    return {estimate(quantity), static_cast<double>(below) / static_cast<double>(values.size())};
  }

 private:
  // Of the draws that have it; where there is none, what was measured.
  std::vector<double> values_of(const Quantity& quantity) const {
    std::vector<double> values;
    for (size_t i = 1; i < draws_.size(); ++i) {
      if (const double value = quantity(draws_[i]); std::isfinite(value)) values.push_back(value);
    }
    if (values.empty()) values.push_back(quantity(measured()));
    return values;
  }

  std::vector<DrawnPilot> draws_;
};

// The whole, quantity by quantity.
class Finder {
 public:
  Finder(const PilotScores& scores, const BootstrapOptions& options) : scores_(scores), draws_(scores, options) {}

  PilotFindings find() const {
    PilotFindings findings;
    findings.record_count = static_cast<int64_t>(scores_.base.size());
    for (const AnswerScore& score : scores_.base) {
      findings.token_count += score.token_count;
      findings.short_count += score.token_count <= kShortAnswerTokensMax ? 1 : 0;
    }
    findings.base_loss = draws_.estimate([](const DrawnPilot& draw) { return draw.base.loss; });
    if (has_short()) findings.base_exact = draws_.estimate([](const DrawnPilot& draw) { return draw.base.exact; });
    for (size_t set = 0; set < scores_.sets.size(); ++set) findings.sets.push_back(set_findings(set));
    return findings;
  }

 private:
  using LevelOf = std::function<Level(const DrawnPilot&)>;

  bool has_short() const { return std::isfinite(draws_.measured().base.exact); }

  PilotDifference difference(const LevelOf& of, const LevelOf& from) const {
    PilotDifference result;
    result.loss = draws_.difference([&](const DrawnPilot& draw) { return of(draw).loss - from(draw).loss; });
    if (has_short()) {
      result.exact = draws_.difference([&](const DrawnPilot& draw) { return of(draw).exact - from(draw).exact; });
    }
    return result;
  }

  static Level base_level(const DrawnPilot& draw) { return draw.base; }
  static LevelOf level_at(size_t set, size_t size) {
    return [=](const DrawnPilot& draw) { return draw.sets[set].sizes[size]; };
  }

  PilotSetFindings set_findings(size_t set) const {
    PilotSetFindings findings;
    for (size_t size = 0; size < scores_.sizes.size(); ++size) {
      findings.sizes.push_back(size_findings(set, size));
      if (set > 0) findings.from_first_set.push_back(difference(level_at(set, size), level_at(0, size)));
    }
    const LevelOf largest = level_at(set, scores_.sizes.size() - 1);
    findings.from_base = difference(largest, base_level);
    findings.from_best_baseline = findings.from_base;
    if (!scores_.sets[set].few_shot.empty()) {
      findings.few_shot = few_shot_findings(set);
      findings.from_best_baseline = difference(largest, [set](const DrawnPilot& draw) {
        const Level& few_shot = *draw.sets[set].few_shot;
        return Level{std::min(draw.base.loss, few_shot.loss), std::max(draw.base.exact, few_shot.exact)};
      });
    }
    if (draws_.measured().sets[set].curve) findings.curve = curve(set);
    return findings;
  }

  PilotSizeFindings size_findings(size_t set, size_t size) const {
    return level_findings(scores_.sizes[size], level_at(set, size), scores_.sets[set].runs[size]);
  }

  PilotFewShotFindings few_shot_findings(size_t set) const {
    const LevelOf level = [set](const DrawnPilot& draw) { return *draw.sets[set].few_shot; };
    return {level_findings(scores_.shot_count, level, scores_.sets[set].few_shot), difference(level, base_level)};
  }

  PilotSizeFindings level_findings(int64_t size, const LevelOf& level, const std::vector<AnswerScores>& runs) const {
    PilotSizeFindings findings;
    findings.size = size;
    findings.loss = draws_.estimate([&](const DrawnPilot& draw) { return level(draw).loss; });
    if (has_short()) findings.exact = draws_.estimate([&](const DrawnPilot& draw) { return level(draw).exact; });
    const Draw once = all_once(scores_.base.size(), 1);
    for (const AnswerScores& run : runs) findings.seed_losses.push_back(level_of(run, once).loss);
    return findings;
  }

  PilotCurve curve(size_t set) const {
    PilotCurve curve;
    curve.fit = *draws_.measured().sets[set].curve;
    const int64_t largest = scores_.sizes.back();
    std::vector<int64_t> sizes = {2 * largest, 10 * largest};
    const int64_t all = scores_.sets[set].record_count;
    if (all > largest && all != sizes[0] && all != sizes[1]) sizes.push_back(all);
    std::sort(sizes.begin(), sizes.end());
    for (const int64_t size : sizes) curve.predictions.push_back(prediction(set, size));
    constexpr int kBandCount = 24;
    const double ratio = 2 * static_cast<double>(largest) / static_cast<double>(scores_.sizes.front());
    for (int i = 0; i <= kBandCount; ++i) {
      const double size =
          static_cast<double>(scores_.sizes.front()) * std::pow(ratio, static_cast<double>(i) / kBandCount);
      const int64_t rounded = std::llround(size);
      if (curve.band.empty() || rounded > curve.band.back().size) curve.band.push_back(prediction(set, rounded));
    }
    return curve;
  }

  PilotPrediction prediction(size_t set, int64_t size) const {
    const auto loss_at = [set](const DrawnPilot& draw, int64_t at) {
      return draw.sets[set].curve->law.at(static_cast<double>(at));
    };
    PilotPrediction prediction{.size = size};
    prediction.loss = draws_.estimate([&](const DrawnPilot& draw) { return loss_at(draw, size); });
    prediction.gain = draws_.estimate(
        [&](const DrawnPilot& draw) { return loss_at(draw, scores_.sizes.back()) - loss_at(draw, size); });
    return prediction;
  }

  const PilotScores& scores_;
  Draws draws_;
};

void check_whole(const std::vector<AnswerScores>& by_seed, const PilotScores& scores) {
  CHECK(by_seed.size() == scores.seeds.size());
  for (const AnswerScores& run : by_seed) CHECK(run.size() == scores.base.size());
}

void check_whole(const PilotScores& scores) {
  CHECK(!scores.base.empty() && !scores.sizes.empty() && !scores.seeds.empty() && !scores.sets.empty());
  for (const PilotSetScores& set : scores.sets) {
    CHECK(set.runs.size() == scores.sizes.size());
    for (const std::vector<AnswerScores>& by_seed : set.runs) check_whole(by_seed, scores);
    if (!set.few_shot.empty()) check_whole(set.few_shot, scores);
  }
}

}  // namespace

PilotFindings find_pilot_results(const PilotScores& scores, const BootstrapOptions& options) {
  check_whole(scores);
  return Finder(scores, options).find();
}

}  // namespace pelton
