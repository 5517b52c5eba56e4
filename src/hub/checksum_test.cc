#include "hub/checksum.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "io/error_matchers.h"

namespace pelton {
namespace {

TEST(ChecksumTest, KnownValues) {
  const TestFolder folder;
  const auto abc = folder.write("abc", "abc");
  const auto empty = folder.write("empty", "");
  // FIPS 180-2, appendix B.1; `printf abc | git hash-object --stdin`; git's well-known empty blob.
  EXPECT_EQ(compute_checksum(abc, ChecksumKind::kSha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(compute_checksum(abc, ChecksumKind::kGitSha1), "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
  EXPECT_EQ(compute_checksum(empty, ChecksumKind::kGitSha1), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(ChecksumTest, SaysHowFarItIs) {
  const TestFolder folder;
  const auto path = folder.write("a", std::string((8 << 20) + 5, 'a'));
  int64_t seen = 0;
  int steps = 0;
  compute_checksum(path, ChecksumKind::kSha256, [&](int64_t count) {
    seen += count;
    ++steps;
  });
  EXPECT_EQ(seen, (8 << 20) + 5);
  EXPECT_EQ(steps, 2);
}

TEST(ChecksumTest, AMissingFileIsAnError) {
  expect_error([] { compute_checksum("/no/such/file", ChecksumKind::kSha256); }, ErrorCode::kNotFound,
               {"/no/such/file"});
}

}  // namespace
}  // namespace pelton
