#include "base/available_memory.h"

#include <gtest/gtest.h>

#include <string>

#include "base/test_folder.h"

namespace pelton {
namespace {

// A machine's /proc and /sys/fs/cgroup, in a folder of this test.
class FakeMachine : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& contents) const {
    std::filesystem::create_directories((root_.path() / path).parent_path());
    root_.write(path, contents);
  }
  int64_t available() const { return available_memory_bytes(root_.path()); }

  TestFolder root_;
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

}  // namespace
}  // namespace pelton
