#include "plan/hardware_probe.h"

#include <gtest/gtest.h>

#include "base/cpu.h"
#include "base/error.h"
#include "plan/probe.h"

namespace pelton {
namespace {

HardwareProbeOptions quick() {
  HardwareProbeOptions options;
  options.burst_seconds = 0;  // one region each
  options.burst_count = 1;
  options.bytes_per_thread_max = 64 << 10;
  return options;
}

TEST(HardwareProbe, MeasuresEverythingAndKeepsIt) {
  const Hardware hardware = measure_hardware(quick());
  EXPECT_EQ(hardware.identity, this_hardware());
  ASSERT_FALSE(hardware.bandwidth.empty());
  EXPECT_EQ(hardware.bandwidth.front().thread_count, 1);
  EXPECT_EQ(hardware.bandwidth.back().thread_count, usable_core_count());
  for (const BandwidthPoint& point : hardware.bandwidth) EXPECT_GT(point.gb_per_second, 0);
  ASSERT_FALSE(hardware.levels.empty());
  EXPECT_EQ(hardware.levels.back().name, "DRAM");
  EXPECT_GT(hardware.gb_per_second("DRAM"), 0);
  EXPECT_GT(hardware.gop_per_second("f32"), 0);
  EXPECT_EQ(json::serialize(to_json(hardware_from_json(to_json(hardware)))), json::serialize(to_json(hardware)));
}

TEST(HardwareProbe, EndsWhenToldTo) {
  HardwareProbeOptions options = quick();
  options.on_progress = [](std::string_view) { throw Error(ErrorCode::kCancelled, "enough"); };
  EXPECT_THROW(measure_hardware(options), Error);
}

TEST(HardwareProbe, ProbesForTypes) {
  ASSERT_NE(find_peak_probe("f32"), nullptr);
  EXPECT_EQ(find_peak_probe("f64"), nullptr);
  Executor executor(2);
  EXPECT_GT(operations_per_second(executor, *find_peak_probe("f32"), 0), 0);
  EXPECT_GT(ReadProbe(executor, 1).bytes_per_second(0), 0);
}

}  // namespace
}  // namespace pelton
