#include "plan/cpu_description.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

class CpuDescriptionTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            fmt::format("cpu_{}", testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text << "\n";
  }
  void write_cache(int index, const std::string& level, const std::string& type, const std::string& size,
                   const std::string& cores) {
    const std::string folder = fmt::format("sys/devices/system/cpu/cpu0/cache/index{}/", index);
    write(folder + "level", level);
    write(folder + "type", type);
    write(folder + "size", size);
    write(folder + "shared_cpu_list", cores);
  }

  fs::path root_;
};

TEST_F(CpuDescriptionTest, ReadsModelAndDataCaches) {
  write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU: 3 GHz");
  write_cache(0, "1", "Data", "48K", "0");
  write_cache(1, "1", "Instruction", "32K", "0");
  write_cache(2, "3", "Unified", "32M", "0-3,8,10-11");
  write_cache(3, "2", "Unified", "1024K", "0,8");
  const CpuDescription cpu = describe_cpu(root_);
  EXPECT_EQ(cpu.model, "Some CPU: 3 GHz");
  ASSERT_EQ(cpu.caches.size(), 3u);
  EXPECT_EQ(cpu.caches[0].size_bytes, 48 << 10);
  EXPECT_EQ(cpu.caches[0].core_count, 1);
  EXPECT_EQ(cpu.caches[1].size_bytes, 1 << 20);
  EXPECT_EQ(cpu.caches[1].core_count, 2);
  EXPECT_EQ(cpu.caches[2].size_bytes, 32 << 20);
  EXPECT_EQ(cpu.caches[2].core_count, 7);
}

TEST_F(CpuDescriptionTest, SurvivesSilenceAndNonsense) {
  EXPECT_EQ(describe_cpu(root_).model, "unknown");
  EXPECT_TRUE(describe_cpu(root_).caches.empty());
  write_cache(0, "1", "Data", "none", "0");
  write_cache(1, "77", "Data", "1M", "0");
  write_cache(2, "2", "Unified", "99999999999999M", "5-1,x,,9-99999999999");
  const CpuDescription cpu = describe_cpu(root_);
  ASSERT_EQ(cpu.caches.size(), 1u);
  EXPECT_GT(cpu.caches[0].size_bytes, 0);
  EXPECT_EQ(cpu.caches[0].core_count, 1 << 16);
}

}  // namespace
}  // namespace pelton
