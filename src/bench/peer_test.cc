#include "bench/peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

std::string refusal(const fs::path& program) {
  try {
    find_peer_comparison(program);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    return error.message();
  }
  return "";
}

TEST(Peer, IsFoundAboveTheProgramOrTheWayToItIsSaid) {
  const fs::path root = fs::path(testing::TempDir()) / "peer_test";
  fs::remove_all(root);
  const fs::path program = root / "build/release/pelton";
  EXPECT_THAT(refusal(program), testing::HasSubstr("source tree"));
  fs::create_directories(root / "bench/peers");
  std::ofstream(root / "bench/peers/compare.py") << "";
  EXPECT_THAT(refusal(program), testing::HasSubstr("compare.py --install"));
  fs::create_directories(root / "build/peers/bin");
  std::ofstream(root / "build/peers/bin/python") << "";
  EXPECT_EQ(find_peer_comparison(program).script, root / "bench/peers/compare.py");
  fs::remove_all(root);
}

}  // namespace
}  // namespace pelton
