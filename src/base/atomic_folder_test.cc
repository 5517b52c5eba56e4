#include "base/atomic_folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

class AtomicFolderTest : public testing::Test {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(root_)) found.push_back(entry.path().filename().string());
    std::sort(found.begin(), found.end());
    return found;
  }

  const TestFolder work_;
  const fs::path root_ = work_.path();
};

TEST_F(AtomicFolderTest, AppearsAtCommit) {
  {
    AtomicFolder folder(root_ / "model");
    replace_file(folder.path() / "a.txt", "a");
    EXPECT_FALSE(fs::exists(root_ / "model"));
    folder.commit();
  }
  EXPECT_EQ(names(), std::vector<std::string>{"model"});
  EXPECT_EQ(read_file(root_ / "model/a.txt", 10), "a");
  EXPECT_EQ(fs::status(root_ / "model").permissions() & fs::perms::others_read, fs::perms::others_read);
}

TEST_F(AtomicFolderTest, LeavesNoTraceWithoutCommit) {
  {
    AtomicFolder folder(root_ / "model");
    replace_file(folder.path() / "a.txt", "a");
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(AtomicFolderTest, RemovesWhatAKilledProcessLeftAndNothingElse) {
  const AtomicFolder being_made(root_ / "model");
  fs::create_directories(root_ / ".model.abc123/inside");      // of a process that is no more
  fs::create_directories(root_ / ".model.txt.abc123/inside");  // of another target
  {
    AtomicFolder folder(root_ / "model");
    folder.commit();
  }
  EXPECT_TRUE(fs::exists(being_made.path()));
  EXPECT_FALSE(fs::exists(root_ / ".model.abc123"));
  EXPECT_TRUE(fs::exists(root_ / ".model.txt.abc123/inside"));
}

TEST_F(AtomicFolderTest, ReplacesAFolder) {
  fs::create_directory(root_ / "model");
  replace_file(root_ / "model/old.txt", "old");
  {
    AtomicFolder folder((root_ / "model/").string());
    replace_file(folder.path() / "new.txt", "new");
    folder.commit();
  }
  EXPECT_EQ(names(), std::vector<std::string>{"model"});
  EXPECT_FALSE(fs::exists(root_ / "model/old.txt"));
  EXPECT_EQ(read_file(root_ / "model/new.txt", 10), "new");
}

TEST_F(AtomicFolderTest, NeedsAFolderAround) {
  try {
    AtomicFolder folder(root_ / "missing/model");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(error.message().find("missing/model"), std::string::npos);
  }
}

}  // namespace
}  // namespace pelton
