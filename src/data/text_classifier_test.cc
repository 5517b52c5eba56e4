#include "data/text_classifier.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "data/test_files.h"

namespace pelton::data {
namespace {

constexpr uint64_t kSeed = 77;

// Both kinds share 200 words; one word in five is of the kind's own 40.
std::string some_text(Rng& rng, bool is_good) {
  std::string text;
  for (int i = 0; i < 30; ++i) {
    const bool is_own = rng.next_below(5) == 0;
    text += is_own ? fmt::format("{}{} ", is_good ? "wheel" : "casino", rng.next_below(40))
                   : fmt::format("common{} ", rng.next_below(200));
  }
  return text;
}

TEST(TextClassifier, LearnsWhichWordsAreWhose) {
  Rng rng(kSeed);
  ClassifierTrainer trainer({.buckets = 1 << 16});
  for (int i = 0; i < 600; ++i) trainer.add(some_text(rng, i % 3 == 0), i % 3 == 0);
  ClassifierReport report;
  const TextClassifier classifier = trainer.train(report);
  EXPECT_EQ(report.trained_good + report.held_good, 200);
  EXPECT_EQ(report.trained_bad + report.held_bad, 400);
  EXPECT_GT(report.held_good, 5);
  EXPECT_GT(report.area, 0.98);
  EXPECT_GT(report.accuracy, 0.9);
  int right = 0;
  for (int i = 0; i < 200; ++i) right += (classifier.score(some_text(rng, i % 2 == 0)) > 0.5) == (i % 2 == 0) ? 1 : 0;
  EXPECT_GT(right, 180) << "texts that it never saw";
}

// What cannot be told apart must not seem to be.
TEST(TextClassifier, OfTheSameTextsItSaysThatItKnowsNothing) {
  Rng rng(kSeed);
  ClassifierTrainer trainer({.buckets = 1 << 16, .held_out = 0.5});
  for (int i = 0; i < 2000; ++i) trainer.add(some_text(rng, true), i % 2 == 0);
  ClassifierReport report;
  trainer.train(report);
  EXPECT_NEAR(report.area, 0.5, 0.06) << "3 standard deviations of 1000 held out texts";
}

// A text that is there many times lies on one side: nothing measured was learnt.
TEST(TextClassifier, CopiesAreNotMeasured) {
  Rng rng(kSeed);
  ClassifierTrainer trainer({.buckets = 1 << 16, .held_out = 0.5});
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back(some_text(rng, true));
  for (int copy = 0; copy < 20; ++copy) {
    for (size_t i = 0; i < texts.size(); ++i) trainer.add(texts[i], i % 2 == 0);
  }
  ClassifierReport report;
  trainer.train(report);
  EXPECT_EQ(report.held_good % 20, 0);
  EXPECT_EQ(report.held_bad % 20, 0);
  EXPECT_LT(report.area, 0.95) << "labels by chance, of texts that were not learnt";
}

TEST(TextClassifier, TheAreaIsTheShareOfPairsInOrder) {
  Rng rng(kSeed);
  std::vector<double> above, below;
  for (int i = 0; i < 40; ++i) {
    above.push_back(static_cast<double>(rng.next_below(12)));
    below.push_back(static_cast<double>(rng.next_below(10)));
  }
  double pairs = 0;
  for (const double a : above) {
    for (const double b : below) pairs += a > b ? 1 : a == b ? 0.5 : 0;
  }
  EXPECT_DOUBLE_EQ(area_under_curve(above, below), pairs / 1600);
  EXPECT_EQ(area_under_curve({}, below), 0.5);
}

TEST(TextClassifier, ComesBackFromItsFileAndNoOtherFileIsOne) {
  Rng rng(kSeed);
  ClassifierTrainer trainer({.buckets = 1 << 12});
  for (int i = 0; i < 100; ++i) trainer.add(some_text(rng, i % 2 == 0), i % 2 == 0);
  ClassifierReport report;
  const TextClassifier classifier = trainer.train(report);
  const TestFiles files;
  classifier.save(files.path("filter.safetensors"));
  const TextClassifier loaded = TextClassifier::load(files.path("filter.safetensors"));
  for (int i = 0; i < 20; ++i) {
    const std::string text = some_text(rng, i % 2 == 0);
    EXPECT_EQ(loaded.score(text), classifier.score(text));
  }
  EXPECT_TRUE(std::isfinite(loaded.score("")));
  const std::string bytes = files.read("filter.safetensors");
  for (size_t size = 0; size < bytes.size(); size += 501) {
    files.write("cut.safetensors", bytes.substr(0, size));
    EXPECT_THROW(TextClassifier::load(files.path("cut.safetensors")), Error) << size;
  }
  std::string other = bytes;
  other.replace(other.find("text classifier 1"), 17, "text classifier 2");
  files.write("other.safetensors", other);
  EXPECT_THROW(TextClassifier::load(files.path("other.safetensors")), Error);
  std::string infinite = bytes;
  infinite.replace(infinite.size() - 4, 4, std::string("\0\0\x80\x7F", 4));
  files.write("infinite.safetensors", infinite);
  EXPECT_THROW(TextClassifier::load(files.path("infinite.safetensors")), Error);
}

TEST(TextClassifier, TooFewTextsAreRefused) {
  ClassifierTrainer trainer({});
  for (int i = 0; i < 50; ++i) trainer.add(fmt::format("good text {}", i), true);
  ClassifierReport report;
  EXPECT_THROW(trainer.train(report), Error);
}

}  // namespace
}  // namespace pelton::data
