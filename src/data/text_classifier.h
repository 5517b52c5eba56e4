// A classifier of texts that people train themselves: good ones against bad ones, by the words that they use.
//
// Logistic regression over hashed word n-grams (all lengths from 1 to `ngram`): a text is the set of its n-grams, each
// a bucket, scaled to length 1. What fastText's classifiers do for FineWeb-Edu and DCLM, without their hidden layer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pelton::data {

struct ClassifierOptions {
  int ngram = 2;
  int64_t buckets = int64_t{1} << 20;
  int epochs = 8;
  double learning_rate = 0.5;  // AdaGrad's (Duchi et al. 2011)
  double l2 = 1e-6;
  double held_out = 0.1;  // share of the texts that only measure
  uint64_t seed = 1;
};

// Of the texts that were held out.
struct ClassifierReport {
  int64_t trained_good = 0;
  int64_t trained_bad = 0;
  int64_t held_good = 0;
  int64_t held_bad = 0;
  double loss = 0;          // mean, in nats
  double area = 0;          // under the ROC curve: how probably a good one scores above a bad one
  double accuracy = 0;      // at 0.5
  double kept_good = 0;     // share at 0.5
  double kept_bad = 0;      // share at 0.5
  double threshold_95 = 0;  // keeps 95 % of the good ones
  double kept_bad_95 = 0;   // share of the bad ones that this keeps
};

// Immutable, any thread.
class TextClassifier {
 public:
  // Errors: those of SafetensorsFile; kCorruptFile: no classifier, or a damaged one.
  static TextClassifier load(const std::filesystem::path& path);
  // Whole or not at all. Error kIo.
  void save(const std::filesystem::path& path) const;

  // From 0 (bad) to 1 (good).
  double score(std::string_view text) const;

 private:
  friend class ClassifierTrainer;

  int ngram_ = 1;
  std::vector<float> weights_;  // one a bucket
  float bias_ = 0;
};

// Takes texts one by one; keeps their buckets, four bytes each n-gram that a text has.
class ClassifierTrainer {
 public:
  explicit ClassifierTrainer(const ClassifierOptions& options) : options_(options) {}

  void add(std::string_view text, bool is_good);
  // Deterministic. Both kinds count the same, however many there are. Error kInvalidArgument: fewer than ten of a kind.
  TextClassifier train(ClassifierReport& report) const;

 private:
  struct Sample {
    size_t begin;  // of its buckets
    size_t end;
    bool is_good;
    bool is_held_out;
  };

  void run_epoch(std::vector<Sample>& order, TextClassifier& classifier, std::vector<float>& squares) const;
  ClassifierReport measure(const TextClassifier& classifier, const std::vector<Sample>& samples) const;
  double score_of(const TextClassifier& classifier, const Sample& sample) const;

  ClassifierOptions options_;
  std::vector<uint32_t> buckets_;
  std::vector<Sample> samples_;
};

// How probably a value of `above` is larger than one of `below`; a half where they are equal. 0.5 where one is empty.
double area_under_curve(std::vector<double> above, std::vector<double> below);

}  // namespace pelton::data
