#include "ops/scratch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace pelton {
namespace {

TEST(Scratch, IsAlignedAndReused) {
  Scratch<float> scratch;
  float* first = scratch.reserve(1000);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % kCacheLineBytes, 0u);
  std::fill_n(first, 1000, 1.0f);
  EXPECT_EQ(scratch.reserve(10), first);
  EXPECT_EQ(scratch.reserve(1000), first);
  std::fill_n(scratch.reserve(100'000), 100'000, 1.0f);
}

TEST(Scratch, GrowsAheadOfWhatIsAsked) {
  Scratch<double> scratch;
  double* memory = scratch.reserve(100);
  EXPECT_EQ(scratch.reserve(150), memory);
}

TEST(Scratch, IsEachThreadsOwn) {
  const auto reserve = [] {
    static thread_local Scratch<float> scratch;
    return scratch.reserve(100);
  };
  const float* here = reserve();
  const float* there = nullptr;
  std::thread([&] { there = reserve(); }).join();
  EXPECT_NE(here, there);
  EXPECT_EQ(here, reserve());
}

}  // namespace
}  // namespace pelton
