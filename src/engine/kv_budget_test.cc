#include "engine/kv_budget.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/error.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

// A machine's /proc and /sys/fs/cgroup, in a folder of this test.
class FakeMachine : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& contents) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << contents;
  }
  int64_t available() const { return available_memory_bytes(root_); }

  fs::path root_;
};

TEST_F(FakeMachine, WithoutGroupsSaysWhatTheMachineHas) {
  write("proc/meminfo", "MemTotal:       2000 kB\nMemAvailable:   1000 kB\n");
  EXPECT_EQ(available(), 1000 * 1024);
}

TEST_F(FakeMachine, SaysNothingWhereThereIsNothing) { EXPECT_EQ(available(), 0); }

TEST_F(FakeMachine, TightestGroupOfVersion2Counts) {
  write("proc/meminfo", "MemAvailable:   1000 kB\n");
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/b/memory.max", "max\n");
  write("sys/fs/cgroup/a/b/memory.current", "5\n");
  write("sys/fs/cgroup/a/memory.max", "9000\n");
  write("sys/fs/cgroup/a/memory.current", "3000\n");
  write("sys/fs/cgroup/a/memory.stat", "anon 2000\ninactive_file 1000\n");
  EXPECT_EQ(available(), 7000);
}

TEST_F(FakeMachine, GroupOfVersion1Counts) {
  write("proc/meminfo", "MemAvailable:   1000 kB\n");
  write("proc/self/cgroup", "3:cpu:/x\n2:memory:/not/visible/here\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
  EXPECT_EQ(available(), 0);  // over its limit already
}

TEST_F(FakeMachine, GroupsWithoutALimitDoNotCount) {
  write("proc/meminfo", "MemAvailable:   1000 kB\n");
  write("proc/self/cgroup", "2:memory:/\nnonsense\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
  EXPECT_EQ(available(), 1000 * 1024);
}

TEST(KvPageCount, TakesAQuarterOfWhatIsAvailable) {
  EXPECT_EQ(kv_page_counts({.page_bytes = 10, .context_length = 100, .available_bytes = 4000}).global, 100);
}

TEST(KvPageCount, DoesNotExceed64Contexts) {
  EXPECT_EQ(kv_page_counts({.page_bytes = 1, .context_length = 33, .available_bytes = 1 << 30}).global, 64 * 3);
}

TEST(KvPageCount, FollowsTheUser) {
  EXPECT_EQ(kv_page_counts({.page_bytes = 10, .context_length = 16, .bytes_max = 55, .available_bytes = 0}).global, 5);
}

// 10 pages of a context of 160 tokens, 3 of them in layers with a window; 4 sequences run at once.
KvPageCounts with_window(int64_t page_bytes, int64_t local_page_bytes, int64_t bytes_max) {
  return kv_page_counts({.page_bytes = page_bytes,
                         .local_page_bytes = local_page_bytes,
                         .local_page_count_max = 3,
                         .sequence_count_max = 4,
                         .context_length = 160,
                         .bytes_max = bytes_max});
}

TEST(KvPageCount, LayersWithAWindowGetWhatAllSequencesCanHold) {
  const KvPageCounts counts = with_window(10, 5, 1000);
  EXPECT_EQ(counts.local, 4 * 3);
  EXPECT_EQ(counts.global, (1000 - 4 * 3 * 5) / 10);
}

TEST(KvPageCount, LayersWithAWindowGetNoMoreThanTheOthers) {
  const KvPageCounts counts = with_window(10, 5, 165);
  EXPECT_EQ(counts.local, 11);
  EXPECT_EQ(counts.global, 11);
}

TEST(KvPageCount, OneContextComesBeforeManyWindows) {
  const KvPageCounts counts = with_window(10, 5, 116);
  EXPECT_EQ(counts.global, 10);
  EXPECT_EQ(counts.local, 3);
  EXPECT_THROW(with_window(10, 5, 114), Error);
}

TEST(KvPageCount, AModelOfWindowsAloneNeedsNoMoreThanThese) {
  const KvPageCounts counts = with_window(0, 5, 1000);
  EXPECT_EQ(counts.global, 0);
  EXPECT_EQ(counts.local, 4 * 3);
  EXPECT_THROW(with_window(0, 5, 14), Error);
}

TEST(KvPageCount, RefusesLessThanOneContext) {
  try {
    kv_page_counts({.page_bytes = 1 << 20, .context_length = 160, .bytes_max = 9 << 20});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
    EXPECT_EQ(error.message(),
              "keys and values of one context of 160 tokens take 10 MiB, but they are allowed 9 MiB; choose a shorter "
              "context or give them more memory");
  }
}

}  // namespace
}  // namespace pelton
