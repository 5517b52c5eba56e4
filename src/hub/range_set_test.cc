#include "hub/range_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace pelton {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(RangeSetTest, JoinsWhatTouches) {
  RangeSet set;
  EXPECT_THAT(set.missing(10), ElementsAre(ByteRange{0, 10}));
  EXPECT_THAT(set.missing(0), IsEmpty());
  set.add({4, 6});
  EXPECT_THAT(set.missing(10), ElementsAre(ByteRange{0, 4}, ByteRange{6, 10}));
  set.add({6, 8});
  set.add({0, 1});
  set.add({3, 3});
  EXPECT_THAT(set.missing(10), ElementsAre(ByteRange{1, 4}, ByteRange{8, 10}));
  EXPECT_EQ(set.size_bytes(), 5);
  set.add({0, 10});
  EXPECT_THAT(set.missing(10), IsEmpty());
  EXPECT_EQ(set.size_bytes(), 10);
}

TEST(RangeSetTest, AgreesWithASetOfBytes) {
  constexpr int kSize = 40;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    RangeSet set;
    std::vector<bool> has(kSize, false);
    for (int i = 0; i < 8; ++i) {
      const auto begin = static_cast<int64_t>(rng.next_below(kSize));
      const auto end = begin + static_cast<int64_t>(rng.next_below(static_cast<uint64_t>(kSize - begin) + 1));
      set.add({begin, end});
      std::fill(has.begin() + begin, has.begin() + end, true);
    }
    ASSERT_EQ(set.size_bytes(), std::count(has.begin(), has.end(), true)) << "seed " << seed;
    for (const ByteRange& gap : set.missing(kSize)) {
      for (int64_t i = gap.begin; i < gap.end; ++i) {
        ASSERT_FALSE(has[static_cast<size_t>(i)]) << "seed " << seed;
        has[static_cast<size_t>(i)] = true;
      }
    }
    ASSERT_EQ(std::count(has.begin(), has.end(), false), 0) << "seed " << seed;
  }
}

TEST(RangeSetTest, Splits) {
  EXPECT_THAT(split_ranges({{0, 10}, {20, 22}}, 4),
              ElementsAre(ByteRange{0, 4}, ByteRange{4, 8}, ByteRange{8, 10}, ByteRange{20, 22}));
  EXPECT_THAT(split_ranges({}, 4), IsEmpty());
}

}  // namespace
}  // namespace pelton
