#include "data/min_hash.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace pelton::data {
namespace {

std::vector<uint32_t> random_numbers(Rng& rng, size_t count) {
  std::vector<uint32_t> numbers(count);
  for (uint32_t& number : numbers) number = static_cast<uint32_t>(rng.next());
  return numbers;
}

TEST(MinHash, AllInstructionSetsGiveTheSame) {
  Rng rng(5);
  for (const Isa isa : supported_isas()) {
    for (const int64_t functions : {16, 32, 112, 128, 240}) {
      for (const size_t shingles : {0, 1, 2, 63, 500}) {
        const std::vector<uint32_t> masks = random_numbers(rng, static_cast<size_t>(functions));
        const std::vector<uint32_t> factors = random_numbers(rng, static_cast<size_t>(functions));
        const std::vector<uint32_t> values = random_numbers(rng, shingles);
        const std::vector<uint32_t> before = random_numbers(rng, static_cast<size_t>(functions));
        std::vector<uint32_t> expected = before;
        std::vector<uint32_t> minima = before;
        const auto count = static_cast<int64_t>(shingles);
        min_hash_reference(values.data(), count, {masks.data(), factors.data(), functions}, expected.data());
        min_hash_kernel(isa)(values.data(), count, {masks.data(), factors.data(), functions}, minima.data());
        EXPECT_EQ(minima, expected) << isa_name(isa) << ", " << functions << " functions, " << shingles << " shingles";
      }
    }
  }
}

// The share of functions in which two sets agree is their similarity: of 200 pairs and 112 functions each, the mean is
// off by less than four standard deviations of a mean of 22,400 coins.
TEST(MinHash, AgreesAsOftenAsTheSetsAreSimilar) {
  constexpr int kPairs = 200;
  constexpr int kFunctions = 112;
  const MinHash min_hash(kFunctions, 1);
  Rng rng(11);
  for (const double similarity : {0.2, 0.5, 0.8, 0.95}) {
    int agreements = 0;
    for (int pair = 0; pair < kPairs; ++pair) {
      const std::vector<uint32_t> all = random_numbers(rng, 400);
      const auto common = static_cast<size_t>(std::lround(similarity * 400));
      const size_t half = common + (400 - common) / 2;
      std::vector<uint32_t> a(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(half));
      std::vector<uint32_t> b(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(common));
      b.insert(b.end(), all.begin() + static_cast<std::ptrdiff_t>(half), all.end());
      std::vector<uint32_t> signature_a;
      std::vector<uint32_t> signature_b;
      min_hash.sign(a, signature_a);
      min_hash.sign(b, signature_b);
      ASSERT_EQ(signature_a.size(), size_t{kFunctions});
      for (size_t i = 0; i < signature_a.size(); ++i) agreements += signature_a[i] == signature_b[i];
    }
    const double coins = kPairs * kFunctions;
    const double tolerance = 4 * std::sqrt(similarity * (1 - similarity) / coins);
    EXPECT_NEAR(agreements / coins, similarity, tolerance);
  }
}

}  // namespace
}  // namespace pelton::data
