#include "plan/hardware.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;

Hardware example() {
  return {.identity = {"CPU \"quoted\"", "avx2", 2},
          .bandwidth = {{1, 16384, 200.5}, {2, 16384, 400}},
          .levels = {{"L1", 49152, 400}, {"DRAM", 0, 40}},
          .peaks = {{"f32", 1, 120}, {"f32", 2, 230}, {"int8", 2, 900}}};
}

class HardwareCache : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST(Hardware, JsonKeepsEverything) {
  const Hardware back = hardware_from_json(parse_json(json::serialize(to_json(example())), "test"));
  EXPECT_EQ(back.identity, example().identity);
  EXPECT_EQ(json::serialize(to_json(back)), json::serialize(to_json(example())));
}

TEST(Hardware, RatesByName) {
  EXPECT_EQ(example().gop_per_second("f32"), 230);
  EXPECT_EQ(example().gop_per_second("bf16"), 0);
  EXPECT_EQ(example().gb_per_second("DRAM"), 40);
  EXPECT_EQ(example().gb_per_second("L2"), 0);
}

TEST(Hardware, JsonRefusesOthers) {
  EXPECT_THROW(hardware_from_json(json::array()), Error);
  EXPECT_THROW(hardware_from_json(json::object()), Error);
  for (const char* field : {"version", "cpu", "isa", "cores", "levels", "bandwidth", "peaks"}) {
    json::object object = to_json(example());
    object.erase(field);
    EXPECT_THROW(hardware_from_json(object), Error) << field;
    object[field] = -1;
    EXPECT_THROW(hardware_from_json(object), Error) << field;
  }
  json::object object = to_json(example());
  object["peaks"].as_array()[0].as_object()["gop_per_second"] = "fast";
  EXPECT_THROW(hardware_from_json(object), Error);
}

TEST_F(HardwareCache, GivesBackWhatWasStored) {
  EXPECT_FALSE(load_hardware(folder_, example().identity));
  store_hardware(folder_, example());
  const std::optional<Hardware> loaded = load_hardware(folder_, example().identity);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(json::serialize(to_json(*loaded)), json::serialize(to_json(example())));
}

TEST_F(HardwareCache, EveryMachineHasItsOwnFile) {
  store_hardware(folder_, example());
  HardwareIdentity other = example().identity;
  other.core_count = 4;
  EXPECT_FALSE(load_hardware(folder_, other));
  // A file that was copied to another machine's name is not believed.
  fs::copy_file(hardware_path(folder_, example().identity), hardware_path(folder_, other));
  EXPECT_FALSE(load_hardware(folder_, other));
}

TEST_F(HardwareCache, BrokenFilesAreMeasuredAgain) {
  store_hardware(folder_, example());
  const std::string whole = read_file(hardware_path(folder_, example().identity), 1 << 20);
  replace_file(hardware_path(folder_, example().identity), whole.substr(0, whole.size() / 2));
  EXPECT_FALSE(load_hardware(folder_, example().identity));
}

TEST_F(HardwareCache, SaysWhereItCannotWrite) {
  fs::create_directories(folder_);
  replace_file(folder_ / "hardware", "a file where the folder should be");
  EXPECT_THROW(store_hardware(folder_, example()), Error);
}

TEST(Hardware, ThisMachineHasAName) {
  EXPECT_FALSE(this_hardware().cpu.empty());
  EXPECT_GE(this_hardware().core_count, 1);
}

}  // namespace
}  // namespace pelton
