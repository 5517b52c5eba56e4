#include "data/text_classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/rng.h"
#include "data/comparable_words.h"
#include "data/mix_hash.h"
#include "io/safetensors.h"

namespace pelton::data {
namespace {

constexpr const char* kKind = "pelton text classifier 1";
constexpr const char* kWeights = "weights";
constexpr const char* kBias = "bias";
constexpr int kNgramMax = 8;
constexpr int64_t kTextsMin = 10;

// Each bucket once.
void append_buckets(std::string_view text, int ngram, uint64_t bucket_count, std::vector<uint32_t>& buckets) {
  thread_local std::vector<uint64_t> words;
  hash_words(text, WordNormalization::kWords, words);
  const auto begin = static_cast<std::ptrdiff_t>(buckets.size());
  for (int length = 1; length <= ngram; ++length) {
    for_each_ngram(words, static_cast<size_t>(length), [&](size_t, uint64_t hash) {
      buckets.push_back(static_cast<uint32_t>(mix_hash(hash + static_cast<uint64_t>(length)) % bucket_count));
    });
  }
  std::sort(buckets.begin() + begin, buckets.end());
  buckets.erase(std::unique(buckets.begin() + begin, buckets.end()), buckets.end());
}

double sigmoid(double value) { return 1 / (1 + std::exp(-value)); }

// So that a text's features have length 1.
double feature_value(size_t count) { return count == 0 ? 0 : 1 / std::sqrt(static_cast<double>(count)); }

double logit_of(const std::vector<float>& weights, float bias, const uint32_t* begin, const uint32_t* end) {
  double sum = 0;
  for (const uint32_t* bucket = begin; bucket != end; ++bucket) sum += weights[*bucket];
  return bias + sum * feature_value(static_cast<size_t>(end - begin));
}

}  // namespace

TextClassifier TextClassifier::load(const std::filesystem::path& path) {
  const auto file = SafetensorsFile::open(path);
  const auto refuse = [&](std::string_view reason) {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: as a classifier of texts: {}", path.string(), reason));
  };
  const auto note = [&](const char* name) {
    const auto found = file->metadata().find(name);
    return found == file->metadata().end() ? std::string() : found->second;
  };
  if (note("kind") != kKind) refuse("it is none of `pelton data train-filter`");
  TextClassifier classifier;
  const std::string ngram = note("ngram");
  if (ngram.size() != 1 || ngram[0] < '1' || ngram[0] > '0' + kNgramMax) refuse("its n-grams are of no length");
  classifier.ngram_ = ngram[0] - '0';
  const std::optional<Tensor> weights = file->find(kWeights);
  const std::optional<Tensor> bias = file->find(kBias);
  const auto is_row = [](const std::optional<Tensor>& tensor) {
    return tensor && tensor->type() == ElementType::kF32 && tensor->shape().rank() == 1 && tensor->shape()[0] > 0;
  };
  if (!is_row(weights) || !is_row(bias) || bias->shape()[0] != 1 || weights->shape()[0] > int64_t{UINT32_MAX}) {
    refuse("its weights are missing");
  }
  classifier.weights_.resize(static_cast<size_t>(weights->shape()[0]));
  std::memcpy(classifier.weights_.data(), weights->data(), classifier.weights_.size() * sizeof(float));
  std::memcpy(&classifier.bias_, bias->data(), sizeof(float));
  const bool is_finite =
      std::isfinite(classifier.bias_) && std::all_of(classifier.weights_.begin(), classifier.weights_.end(),
                                                     [](float weight) { return std::isfinite(weight); });
  if (!is_finite) refuse("its weights are no numbers");
  return classifier;
}

void TextClassifier::save(const std::filesystem::path& path) const {
  const std::vector<TensorEntry> entries = {{kWeights, ElementType::kF32, {static_cast<int64_t>(weights_.size())}},
                                            {kBias, ElementType::kF32, {1}}};
  SafetensorsWriter writer(path, entries, {{"kind", kKind}, {"ngram", std::to_string(ngram_)}});
  writer.append(std::as_bytes(std::span(weights_)));
  writer.append(std::as_bytes(std::span(&bias_, 1)));
  writer.commit();
}

double TextClassifier::score(std::string_view text) const {
  thread_local std::vector<uint32_t> buckets;
  buckets.clear();
  append_buckets(text, ngram_, weights_.size(), buckets);
  return sigmoid(logit_of(weights_, bias_, buckets.data(), buckets.data() + buckets.size()));
}

void ClassifierTrainer::add(std::string_view text, bool is_good) {
  const size_t begin = buckets_.size();
  append_buckets(text, options_.ngram, static_cast<uint64_t>(options_.buckets), buckets_);
  // By its content: a text that is there twice is not measured after it was learnt.
  uint64_t hash = options_.seed;
  for (size_t i = begin; i < buckets_.size(); ++i) hash = mix_hash(hash * 0x9E3779B97F4A7C15u + buckets_[i]);
  const bool is_held_out = static_cast<double>(mix_hash(hash) >> 11) * 0x1.0p-53 < options_.held_out;
  samples_.push_back({begin, buckets_.size(), is_good, is_held_out});
}

double ClassifierTrainer::score_of(const TextClassifier& classifier, const Sample& sample) const {
  return sigmoid(
      logit_of(classifier.weights_, classifier.bias_, buckets_.data() + sample.begin, buckets_.data() + sample.end));
}

TextClassifier ClassifierTrainer::train(ClassifierReport& report) const {
  std::vector<Sample> trained, held_out;
  for (const Sample& sample : samples_) (sample.is_held_out ? held_out : trained).push_back(sample);
  const auto good = std::count_if(trained.begin(), trained.end(), [](const Sample& one) { return one.is_good; });
  const auto bad = static_cast<int64_t>(trained.size()) - good;
  if (good < kTextsMin || bad < kTextsMin) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("there are {} good and {} bad texts to learn from; at least {} of each are needed", good,
                            bad, kTextsMin));
  }
  TextClassifier classifier;
  classifier.ngram_ = options_.ngram;
  classifier.weights_.assign(static_cast<size_t>(options_.buckets), 0);
  std::vector<float> squares(static_cast<size_t>(options_.buckets) + 1, 0);
  for (int epoch = 0; epoch < options_.epochs; ++epoch) run_epoch(trained, classifier, squares);
  report = measure(classifier, held_out);
  report.trained_good = good;
  report.trained_bad = bad;
  return classifier;
}

void ClassifierTrainer::run_epoch(std::vector<Sample>& order, TextClassifier& classifier,
                                  std::vector<float>& squares) const {
  // Fisher and Yates; the seed goes on from epoch to epoch by the order itself.
  Rng rng(options_.seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.next_below(i)]);
  const auto good = std::count_if(order.begin(), order.end(), [](const Sample& one) { return one.is_good; });
  const double half = static_cast<double>(order.size()) / 2;
  const double weight_good = half / static_cast<double>(good);
  const double weight_bad = half / static_cast<double>(static_cast<int64_t>(order.size()) - good);
  const auto rate = options_.learning_rate;
  constexpr double kTiny = 1e-10;
  const auto step = [&](float& weight, float& square, double gradient) {
    square += static_cast<float>(gradient * gradient);
    weight -= static_cast<float>(rate * gradient / std::sqrt(square + kTiny));
  };
  for (const Sample& sample : order) {
    const double weight = sample.is_good ? weight_good : weight_bad;
    const double error = (score_of(classifier, sample) - (sample.is_good ? 1 : 0)) * weight;
    const double value = feature_value(sample.end - sample.begin);
    for (size_t i = sample.begin; i < sample.end; ++i) {
      float& w = classifier.weights_[buckets_[i]];
      step(w, squares[buckets_[i]], error * value + options_.l2 * w);
    }
    step(classifier.bias_, squares.back(), error);
  }
}

ClassifierReport ClassifierTrainer::measure(const TextClassifier& classifier,
                                            const std::vector<Sample>& samples) const {
  std::vector<double> good, bad;
  ClassifierReport report;
  for (const Sample& sample : samples) {
    const double score = score_of(classifier, sample);
    (sample.is_good ? good : bad).push_back(score);
    report.loss -= std::log(std::max(sample.is_good ? score : 1 - score, 1e-12));
  }
  report.held_good = static_cast<int64_t>(good.size());
  report.held_bad = static_cast<int64_t>(bad.size());
  if (good.empty() || bad.empty()) return report;
  report.loss /= static_cast<double>(samples.size());
  report.area = area_under_curve(good, bad);
  const auto kept = [](const std::vector<double>& scores, double threshold) {
    return static_cast<double>(
               std::count_if(scores.begin(), scores.end(), [&](double score) { return score >= threshold; })) /
           static_cast<double>(scores.size());
  };
  report.kept_good = kept(good, 0.5);
  report.kept_bad = kept(bad, 0.5);
  report.accuracy =
      (report.kept_good * static_cast<double>(good.size()) + (1 - report.kept_bad) * static_cast<double>(bad.size())) /
      static_cast<double>(samples.size());
  std::sort(good.begin(), good.end());
  report.threshold_95 = good[good.size() / 20];
  report.kept_bad_95 = kept(bad, report.threshold_95);
  return report;
}

double area_under_curve(std::vector<double> above, std::vector<double> below) {
  if (above.empty() || below.empty()) return 0.5;
  std::sort(below.begin(), below.end());
  double sum = 0;
  for (const double value : above) {
    const auto first = std::lower_bound(below.begin(), below.end(), value);
    const auto last = std::upper_bound(first, below.end(), value);
    sum += static_cast<double>(first - below.begin()) + static_cast<double>(last - first) / 2;
  }
  return sum / static_cast<double>(above.size()) / static_cast<double>(below.size());
}

}  // namespace pelton::data
