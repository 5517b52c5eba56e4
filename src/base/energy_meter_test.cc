#include "base/energy_meter.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace pelton {
namespace {

namespace fs = std::filesystem;

class EnergyMeterTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            (std::string("energy_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void set(const std::string& package, const std::string& microjoules) {
    const fs::path folder = root_ / "sys/class/powercap" / package;
    fs::create_directories(folder);
    std::ofstream(folder / "energy_uj") << microjoules << "\n";
    std::ofstream(folder / "max_energy_range_uj") << 10'000'000 << "\n";
  }

  fs::path root_;
};

TEST_F(EnergyMeterTest, AddsPackagesAndNotTheirParts) {
  set("intel-rapl:0", "1000000");
  set("intel-rapl:0:0", "1000000");
  set("intel-rapl:1", "2000000");
  EnergyMeter meter(root_);
  meter.start();
  set("intel-rapl:0", "1500000");
  set("intel-rapl:0:0", "9000000");
  set("intel-rapl:1", "3000000");
  EXPECT_DOUBLE_EQ(meter.joules().value(), 1.5);
}

TEST_F(EnergyMeterTest, CountersBeginAgain) {
  set("intel-rapl:0", "9500000");
  EnergyMeter meter(root_);
  meter.start();
  set("intel-rapl:0", "500000");
  EXPECT_DOUBLE_EQ(meter.joules().value(), 1.0);
}

TEST_F(EnergyMeterTest, WhatCannotBeReadIsUnknown) {
  EXPECT_FALSE(EnergyMeter(root_).is_readable());
  EXPECT_FALSE(EnergyMeter(root_).joules());
  set("intel-rapl:0", "no number");
  EXPECT_FALSE(EnergyMeter(root_).is_readable());
  set("intel-rapl:0", "5");
  EnergyMeter meter(root_);
  meter.start();
  fs::remove_all(root_);
  EXPECT_FALSE(meter.joules());
}

}  // namespace
}  // namespace pelton
