#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <vector>

namespace pelton {
namespace {

std::vector<float> random_logits(size_t size, Rng& rng) {
  std::vector<float> logits(size);
  for (float& logit : logits) logit = 6 * rng.next_symmetric();
  return logits;
}

// The definition, in double and with a full sort.
struct Plain {
  std::vector<int32_t> order;  // most likely first, of equal ones the lower id
  std::vector<double> probabilities;

  Plain(const std::vector<float>& logits, double temperature) : order(logits.size()), probabilities(logits.size()) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    const double peak = logits[order[0]];
    for (size_t i = 0; i < logits.size(); ++i) probabilities[i] = std::exp((logits[i] - peak) / temperature);
    normalise();
  }
  void normalise() {
    double sum = 0;
    for (const int32_t id : order) sum += probabilities[id];
    for (double& probability : probabilities) probability /= sum;
  }
  void keep(size_t count) {
    for (size_t i = count; i < order.size(); ++i) probabilities[order[i]] = 0;
    order.resize(count);
    normalise();
  }
  void top_k(int64_t k) { keep(std::min(order.size(), static_cast<size_t>(k))); }
  void top_p(double p) {
    double sum = 0;
    size_t count = 0;
    while (count < order.size() && sum < p) sum += probabilities[order[count++]];
    keep(count);
  }
  void min_p(double share) {
    size_t count = 0;
    while (count < order.size() && probabilities[order[count]] >= share * probabilities[order[0]]) ++count;
    keep(count);
  }
  void top_n_sigma(const std::vector<float>& logits, double n) {
    double mean = 0;
    double variance = 0;
    for (const float logit : logits) mean += logit / static_cast<double>(logits.size());
    for (const float logit : logits) variance += (logit - mean) * (logit - mean) / static_cast<double>(logits.size());
    size_t count = 0;
    while (count < order.size() && logits[order[count]] >= logits[order[0]] - n * std::sqrt(variance)) ++count;
    keep(count);
  }
  void typical(double p) {
    double entropy = 0;
    for (const int32_t id : order) entropy -= probabilities[id] * std::log(probabilities[id]);
    const auto distance = [&](int32_t id) { return std::abs(-std::log(probabilities[id]) - entropy); };
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return distance(a) < distance(b); });
    double sum = 0;
    size_t count = 0;
    while (count < order.size() && sum < p) sum += probabilities[order[count++]];
    keep(count);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b] : a < b;
    });
  }
  void exclude_top_choices(double threshold) {
    size_t count = 0;
    while (count < order.size() && probabilities[order[count]] >= threshold) ++count;
    if (count < 2) return;
    for (size_t i = 0; i + 1 < count; ++i) probabilities[order[i]] = 0;
    order.erase(order.begin(), order.begin() + static_cast<ptrdiff_t>(count) - 1);
    normalise();
  }
  void surprise_at_most(double bits) {
    size_t count = 1;
    while (count < order.size() && -std::log2(probabilities[order[count]]) <= bits) ++count;
    keep(count);
  }
  std::vector<int32_t> ids() const {
    std::vector<int32_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
};

Candidates candidates_of(const std::vector<float>& logits, double temperature) {
  Candidates candidates;
  candidates.assign(logits, *find_peak(logits), static_cast<float>(1 / temperature));
  return candidates;
}

TEST(Candidates, EachFilterEqualsItsDefinition) {
  Rng rng(1);
  for (const size_t size : {1, 2, 31, 100, 1500}) {
    for (int round = 0; round < 20; ++round) {
      const std::vector<float> logits = random_logits(size, rng);
      const double temperature = 0.3 + rng.next_double();
      for (const int64_t k : {1, 2, 40, 5000}) {
        Candidates candidates = candidates_of(logits, temperature);
        Plain plain(logits, temperature);
        candidates.keep_top_k(k);
        plain.top_k(k);
        EXPECT_EQ(candidates.ids(), plain.ids()) << "top-k " << k << " of " << size;
      }
      for (const double p : {1e-9, 0.1, 0.5, 0.9, 0.99}) {
        Candidates candidates = candidates_of(logits, temperature);
        Plain plain(logits, temperature);
        candidates.keep_top_p(p);
        plain.top_p(p);
        EXPECT_EQ(candidates.ids(), plain.ids()) << "top-p " << p << " of " << size;
      }
      for (const double share : {1e-6, 0.05, 0.5, 1.0}) {
        Candidates candidates = candidates_of(logits, temperature);
        Plain plain(logits, temperature);
        candidates.keep_min_p(share);
        plain.min_p(share);
        EXPECT_EQ(candidates.ids(), plain.ids()) << "min-p " << share << " of " << size;
      }
    }
  }
}

TEST(Candidates, TheRarerFiltersEqualTheirDefinitionToo) {
  Rng rng(7);
  for (const size_t size : {1, 2, 31, 100, 1500}) {
    for (int round = 0; round < 20; ++round) {
      const std::vector<float> logits = random_logits(size, rng);
      const double temperature = 0.3 + rng.next_double();
      const auto check = [&](double value, const char* name, auto filter, auto definition) {
        Candidates candidates = candidates_of(logits, temperature);
        Plain plain(logits, temperature);
        filter(candidates);
        definition(plain);
        EXPECT_EQ(candidates.ids(), plain.ids()) << name << " " << value << " of " << size;
      };
      for (const double n : {0.01, 0.5, 1.0, 3.0}) {
        check(
            n, "top-n-sigma", [&](Candidates& c) { c.keep_top_n_sigma(n, TokenRules::kForbidden); },
            [&](Plain& plain) { plain.top_n_sigma(logits, n); });
      }
      for (const double p : {1e-9, 0.2, 0.7, 0.95}) {
        check(
            p, "typical", [&](Candidates& c) { c.keep_typical(p); }, [&](Plain& plain) { plain.typical(p); });
      }
      for (const double threshold : {0.001, 0.03, 0.1, 0.4}) {
        check(
            threshold, "XTC", [&](Candidates& c) { c.exclude_top_choices(threshold); },
            [&](Plain& plain) { plain.exclude_top_choices(threshold); });
      }
      for (const double bits : {0.1, 3.0, 8.0, 30.0}) {
        check(
            bits, "surprise", [&](Candidates& c) { c.keep_surprise_at_most(bits); },
            [&](Plain& plain) { plain.surprise_at_most(bits); });
      }
    }
  }
}

TEST(Candidates, SurpriseIsOfWhatIsLeft) {
  const std::vector<float> logits(8, 1.0f);
  Candidates candidates = candidates_of(logits, 1);
  EXPECT_NEAR(candidates.surprise_bits(5), 3, 1e-6);
  candidates.keep_top_k(2);
  EXPECT_NEAR(candidates.surprise_bits(1), 1, 1e-6);
}

TEST(Candidates, FiltersInOrderEqualTheirDefinition) {
  Rng rng(2);
  for (int round = 0; round < 200; ++round) {
    const std::vector<float> logits = random_logits(1 + rng.next_below(400), rng);
    const double temperature = 0.2 + 2 * rng.next_double();
    const auto k = static_cast<int64_t>(1 + rng.next_below(60));
    const double p = 0.05 + 0.9 * rng.next_double();
    const double share = 0.3 * rng.next_double();
    Candidates candidates = candidates_of(logits, temperature);
    candidates.keep_top_k(k);
    candidates.keep_top_p(p);
    candidates.keep_min_p(share);
    Plain plain(logits, temperature);
    plain.top_k(k);
    plain.top_p(p);
    plain.min_p(share);
    EXPECT_EQ(candidates.ids(), plain.ids()) << "round " << round;
  }
}

TEST(Candidates, OfEqualTokensTheLowerIdsStay) {
  const std::vector<float> logits(300, 2.0f);
  Candidates candidates = candidates_of(logits, 1);
  candidates.keep_top_k(3);
  EXPECT_EQ(candidates.ids(), (std::vector<int32_t>{0, 1, 2}));
  candidates = candidates_of(logits, 1);
  candidates.keep_top_p(0.0099);
  EXPECT_EQ(candidates.ids(), (std::vector<int32_t>{0, 1, 2}));
  candidates = candidates_of(logits, 1);
  candidates.keep_min_p(1);
  EXPECT_EQ(candidates.ids().size(), 300u);
}

// Pearson's test against the definition. With d degrees of freedom chi-square has mean d and variance 2 d: six standard
// deviations above it comes less than once in a million seeds.
void expect_distribution(const SamplingParameters& sampling, const std::vector<float>& logits, const Plain& plain) {
  constexpr int kDrawCount = 20'000;
  SamplerScratch scratch;
  Sampler sampler(sampling, 5, {});
  std::vector<int64_t> counts(logits.size());
  for (int i = 0; i < kDrawCount; ++i) ++counts[static_cast<size_t>(index_of(sampler.sample(logits, scratch).token))];
  double chi_square = 0;
  double rare_expected = 0;
  double rare_count = 0;
  int cell_count = 0;
  const auto add_cell = [&](double expected, double count) {
    chi_square += (count - expected) * (count - expected) / expected;
    ++cell_count;
  };
  for (size_t id = 0; id < logits.size(); ++id) {
    const double expected = plain.probabilities[id] * kDrawCount;
    const auto count = static_cast<double>(counts[id]);
    if (plain.probabilities[id] == 0) {
      EXPECT_EQ(counts[id], 0) << "token " << id << " was filtered";
    } else if (expected < 5) {
      rare_expected += expected;
      rare_count += count;
    } else {
      add_cell(expected, count);
    }
  }
  if (rare_expected >= 5) add_cell(rare_expected, rare_count);
  const double freedom = std::max(1, cell_count - 1);
  EXPECT_LT(chi_square, freedom + 6 * std::sqrt(2 * freedom));
}

TEST(Sampler, DrawsFromTheWholeDistribution) {
  Rng rng(3);
  const std::vector<float> logits = random_logits(500, rng);
  for (const double temperature : {0.5, 1.0, 100.0}) {
    expect_distribution({.temperature = temperature}, logits, Plain(logits, temperature));
  }
}

TEST(Sampler, DrawsFromTheFilteredDistribution) {
  Rng rng(4);
  const std::vector<float> logits = random_logits(300, rng);
  Plain plain(logits, 1.5);
  plain.top_k(50);
  plain.top_p(0.9);
  plain.min_p(0.02);
  expect_distribution({.temperature = 1.5, .top_k = 50, .top_p = 0.9, .min_p = 0.02}, logits, plain);
}

TEST(Sampler, DrawsFromWhatTheRarerFiltersLeave) {
  Rng rng(8);
  const std::vector<float> logits = random_logits(300, rng);
  Plain plain(logits, 1.5);
  plain.top_n_sigma(logits, 2);
  plain.top_k(60);
  plain.typical(0.9);
  plain.exclude_top_choices(0.02);
  expect_distribution({.temperature = 1.5,
                       .top_k = 60,
                       .top_n_sigma = 2,
                       .typical_p = 0.9,
                       .xtc_probability = 1,
                       .xtc_threshold = 0.02},
                      logits, plain);
}

TEST(Sampler, ChoicesAreExcludedAsOftenAsAsked) {
  const std::vector<float> logits = {2, 1.5, -20};  // two choices; the likelier one comes where none is excluded
  SamplerScratch scratch;
  Sampler sampler({.xtc_probability = 0.25}, 3, {});
  int likelier_count = 0;
  constexpr int kCount = 4000;
  for (int i = 0; i < kCount; ++i) likelier_count += sampler.sample(logits, scratch).token == TokenId{0} ? 1 : 0;
  const double expected = 0.75 / (1 + std::exp(-0.5)) * kCount;
  EXPECT_NEAR(likelier_count, expected, 6 * std::sqrt(expected));
}

TEST(Sampler, MirostatFollowsItsDefinition) {
  std::vector<float> logits;  // expects 5.8 bits
  for (int i = 0; i < 300; ++i) logits.push_back(-0.05f * static_cast<float>(i));
  const Plain plain(logits, 1);
  const double surprise_min = -std::log2(plain.probabilities[0]);  // the most likely token is always left
  for (const double target : {2.0, 4.0, 5.0}) {
    constexpr double kLearningRate = 0.1;
    SamplerScratch scratch;
    Sampler sampler({.mirostat = MirostatOptions{target, kLearningRate}}, 4, {});
    double surprise_max = 2 * target;
    double sum = 0;
    constexpr int kCount = 4000;
    for (int i = 0; i < kCount; ++i) {
      const double probability =
          plain.probabilities[static_cast<size_t>(index_of(sampler.sample(logits, scratch).token))];
      const double bound = std::max(surprise_max, surprise_min) + 1e-4;
      ASSERT_LE(-std::log2(probability), bound) << "step " << i << " of target " << target;
      double left = 0;
      for (const double p : plain.probabilities) left += -std::log2(p) <= std::max(surprise_max, surprise_min) ? p : 0;
      const double surprise = -std::log2(probability / left);
      surprise_max -= kLearningRate * (surprise - target);
      sum += surprise;
    }
    EXPECT_NEAR(sum / kCount, target, 0.05);
  }
}

TEST(Sampler, ForbiddenTokensNeverCome) {
  Rng rng(10);
  SamplingParameters sampling;
  for (int32_t id = 0; id < 40; id += 2) sampling.allowed_tokens.push_back(TokenId{id});
  sampling.banned_tokens = {TokenId{4}, TokenId{5}};
  sampling.logit_bias = {{TokenId{7}, 100}, {TokenId{4}, 100}};
  sampling.repetition_penalty = 0.1;
  const std::vector<TokenId> prompt = {TokenId{5}, TokenId{7}};
  for (const double temperature : {0.0, 1e-3, 1.0, 100.0}) {
    for (const double sigma : {0.0, 1.0}) {
      sampling.temperature = temperature;
      sampling.top_n_sigma = sigma;
      SamplerScratch scratch;
      Sampler sampler(sampling, 11, {.prompt = prompt});
      for (int i = 0; i < 300; ++i) {
        const int32_t id = index_of(sampler.sample(random_logits(60, rng), scratch).token);
        EXPECT_TRUE(id < 40 && id % 2 == 0 && id != 4) << id << " at " << temperature;
      }
    }
  }
}

TEST(Sampler, BiasesAreAdded) {
  std::vector<float> logits = {0, 1, 0.5f, -1};
  std::vector<float> changed = logits;
  changed[3] += 2.5f;
  changed[1] -= 1.0f;
  SamplingParameters sampling{.logit_bias = {{TokenId{3}, 2.5}, {TokenId{1}, -1}}};
  expect_distribution(sampling, logits, Plain(changed, 1));
}

TEST(Sampler, NoEndBeforeMinTokens) {
  const std::vector<float> logits = {5, 1, 4, 0};
  const std::vector<TokenId> ends = {TokenId{0}, TokenId{2}};
  SamplerScratch scratch;
  Sampler sampler({.temperature = 0, .min_tokens = 2}, 1, {.end_tokens = ends});
  EXPECT_EQ(sampler.largest_count(), 3) << "the best one, behind two that may not come";
  EXPECT_EQ(sampler.sample(logits, scratch).token, TokenId{1});
  EXPECT_EQ(sampler.sample(logits, scratch).token, TokenId{1});
  EXPECT_EQ(sampler.largest_count(), 1);
  EXPECT_EQ(sampler.sample(logits, scratch).token, TokenId{0});
}

TEST(Sampler, GreedyTakesTheLowestOfTheBest) {
  SamplerScratch scratch;
  Sampler sampler({.temperature = 0}, 1, {});
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2, 3}, scratch).token, TokenId{1});
}

TEST(Sampler, ExtremesLeaveOnlyTheMostLikely) {
  Rng rng(5);
  SamplerScratch scratch;
  for (const SamplingParameters& sampling :
       {SamplingParameters{.temperature = 1e-6}, SamplingParameters{.temperature = 1e-300},
        SamplingParameters{.top_k = 1}, SamplingParameters{.top_p = 1e-12}, SamplingParameters{.min_p = 1.0}}) {
    Sampler sampler(sampling, 6, {});
    for (int i = 0; i < 50; ++i) {
      const std::vector<float> logits = random_logits(500, rng);
      EXPECT_EQ(index_of(sampler.sample(logits, scratch).token), find_peak(logits)->index);
    }
  }
}

// From the largest logits alone every request that says they suffice gets the tokens that it gets from the whole row,
// ties and the generator's state included.
TEST(Sampler, TheLargestGiveTheTokensOfTheWholeRow) {
  const std::vector<SamplingParameters> requests = {
      {.temperature = 0},
      {.temperature = 0, .top_k = 7, .top_p = 0.5},
      {.temperature = 0.7, .top_k = 40},
      {.temperature = 1.3, .top_k = 64, .top_p = 0.9},
      {.temperature = 1, .top_k = 1},
      {.temperature = 100, .top_k = 20, .min_p = 0.3},
      {.temperature = 0.01, .top_k = 5, .top_p = 0.99, .min_p = 0.01},
      {.temperature = 0, .min_tokens = 3},
      {.temperature = 0, .banned_tokens = {TokenId{0}, TokenId{3}, TokenId{5}}},
      {.temperature = 1.3, .top_k = 64, .top_p = 0.9, .banned_tokens = {TokenId{1}, TokenId{2}}, .min_tokens = 2},
  };
  const std::vector<TokenId> ends = {TokenId{0}, TokenId{4}, TokenId{5}};
  Executor executor(2);
  LargestRows largest;
  SamplerScratch scratch;
  Rng rng(11);
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    for (const SamplingParameters& sampling : requests) {
      Sampler whole(sampling, seed, {.end_tokens = ends});
      Sampler few(sampling, seed, {.end_tokens = ends});
      ASSERT_TRUE(few.largest_count().has_value());
      for (const size_t size : {7, 1, 6, 40, 64, 3000}) {
        const bool has_rules = sampling.min_tokens > 0 || !sampling.banned_tokens.empty();
        if (size < 7 && has_rules) continue;  // they speak of tokens that there are
        std::vector<float> logits = random_logits(size, rng);
        if (seed % 2 == 0) {  // many ties, also at the cut
          for (float& logit : logits) logit = std::round(logit);
        }
        // Another request of the step may want more.
        const int64_t count = *few.largest_count() + static_cast<int64_t>(rng.next_below(3)) * 10;
        largest_of_rows(executor, {logits.data(), 1, static_cast<int64_t>(size)}, count, largest);
        EXPECT_EQ(few.sample_largest(largest.row(0), true, scratch).token, whole.sample(logits, scratch).token)
            << "seed " << seed << ", top-k " << sampling.top_k << ", " << size << " logits";
      }
    }
  }
}

TEST(Sampler, SaysWhatItLooksAt) {
  const auto count = [](const SamplingParameters& sampling) { return Sampler(sampling, 1, {}).largest_count(); };
  EXPECT_EQ(count({.temperature = 0}), 1);
  EXPECT_EQ(count({.top_k = 40}), 40);
  EXPECT_EQ(count({.top_k = Sampler::kLargestCountMax}), Sampler::kLargestCountMax);
  EXPECT_EQ(count({.top_k = Sampler::kLargestCountMax + 1}), std::nullopt);
  EXPECT_EQ(count({}), std::nullopt);
  EXPECT_EQ(count({.top_k = SamplingParameters::kTopKOff}), std::nullopt);
  EXPECT_EQ(count({.top_p = 0.9}), std::nullopt);
  EXPECT_EQ(count({.temperature = 0, .logprobs = 0}), std::nullopt);
  EXPECT_EQ(count({.temperature = 0, .presence_penalty = 1}), std::nullopt);
  EXPECT_EQ(count({.temperature = 0, .banned_tokens = {TokenId{1}, TokenId{2}}}), 3);
  EXPECT_EQ(count({.temperature = 0, .banned_tokens = std::vector<TokenId>(65)}), std::nullopt);
  EXPECT_EQ(count({.temperature = 0, .logit_bias = {{TokenId{1}, 1.0}}}), std::nullopt);
  EXPECT_EQ(count({.temperature = 0, .allowed_tokens = {TokenId{1}}}), std::nullopt);
}

TEST(Sampler, RefusesTheLargestOfARowThatIsNotFinite) {
  SamplerScratch scratch;
  const std::vector<RankedLogit> largest = {{2, 1}};
  try {
    Sampler({.temperature = 0}, 1, {}).sample_largest(largest, false, scratch);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
  }
}

TEST(Sampler, SameSeedGivesTheSameTokens) {
  Rng rng(6);
  const std::vector<float> logits = random_logits(500, rng);
  SamplerScratch scratch;
  const auto draw = [&](uint64_t seed) {
    Sampler sampler({.temperature = 1.2, .top_p = 0.95}, seed, {});
    std::vector<TokenId> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(logits, scratch).token);
    return tokens;
  };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

TEST(Sampler, RefusesLogitsThatAreNoNumbers) {
  SamplerScratch scratch;
  for (const double temperature : {0.0, 1.0}) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      Sampler sampler({.temperature = temperature}, 1, {});
      try {
        sampler.sample(std::vector<float>{0, bad, 1}, scratch);
        ADD_FAILURE() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kInternal);
      }
    }
  }
}

TEST(Sampler, LogprobsAreOfTheModelsOwnDistribution) {
  SamplerScratch scratch;
  const std::vector<float> logits{std::log(1.0f), std::log(2.0f), std::log(4.0f), std::log(1.0f)};  // sum 8
  const std::vector<TokenId> prompt{TokenId{2}};
  Sampler sampler({.temperature = 0, .repetition_penalty = 1000, .logprobs = 3}, 1, {.prompt = prompt});
  const SampledToken sampled = sampler.sample(logits, scratch);
  EXPECT_EQ(sampled.token, TokenId{1});  // the penalty speaks against 2
  EXPECT_NEAR(*sampled.logprob, std::log(2.0 / 8), 1e-6);
  ASSERT_EQ(sampled.alternatives.size(), 3u);
  EXPECT_EQ(sampled.alternatives[0].token, TokenId{2});
  EXPECT_EQ(sampled.alternatives[1].token, TokenId{1});
  EXPECT_EQ(sampled.alternatives[2].token, TokenId{0});  // ties: the lower id
  EXPECT_NEAR(sampled.alternatives[0].logprob, std::log(4.0 / 8), 1e-6);
}

TEST(Sampler, GivesLogprobsOnlyWhereAsked) {
  SamplerScratch scratch;
  const std::vector<float> logits{0, 1};
  EXPECT_FALSE(Sampler({}, 1, {}).sample(logits, scratch).logprob.has_value());
  const SampledToken none = Sampler({.logprobs = 0}, 1, {}).sample(logits, scratch);
  EXPECT_TRUE(none.logprob.has_value());
  EXPECT_TRUE(none.alternatives.empty());
  EXPECT_EQ(Sampler({.logprobs = 20}, 1, {}).sample(logits, scratch).alternatives.size(), 2u);
}

TEST(Penalties, FollowTheirFormulas) {
  const std::vector<TokenId> prompt{TokenId{0}, TokenId{1}};
  Penalties penalties({.frequency_penalty = 0.5, .presence_penalty = 0.25}, prompt);
  penalties.record(TokenId{1});
  penalties.record(TokenId{2});
  penalties.record(TokenId{2});
  std::vector<float> logits{2, 2, 2, 2};
  penalties.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{2, 1.25, 0.75, 2}));  // the prompt does not count

  Penalties repetition({.repetition_penalty = 2}, prompt);
  repetition.record(TokenId{2});
  logits = {4, -4, 4, 4};
  repetition.apply(logits);
  EXPECT_EQ(logits, (std::vector<float>{2, -8, 2, 4}));
}

TEST(Penalties, StayFinite) {
  const std::vector<TokenId> prompt{TokenId{0}, TokenId{1}};
  for (const double penalty : {1e300, 1e-300}) {
    std::vector<float> logits{10, -10, 1};
    Penalties({.repetition_penalty = penalty}, prompt).apply(logits);
    EXPECT_TRUE(find_peak(logits).has_value());
  }
}

TEST(Penalties, WithoutEffectAreInactive) {
  EXPECT_FALSE(Penalties({}, {}).is_active());
  EXPECT_TRUE(Penalties({.presence_penalty = -1}, {}).is_active());
}

}  // namespace
}  // namespace pelton
