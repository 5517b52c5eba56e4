#include "train/tensorboard.h"

#include <gtest/gtest.h>

#include <cstring>

namespace pelton {
namespace {

template <typename T>
T raw_at(std::string_view bytes, size_t place) {
  T value;
  std::memcpy(&value, bytes.data() + place, sizeof value);
  return value;
}

// Every event file of TensorFlow's begins so: 24 bytes, their number's checksum, the version.
TEST(Tensorboard, BeginsAsTensorFlowsFilesDo) {
  const std::string bytes = tensorboard_header(1.5);
  EXPECT_EQ(bytes.substr(0, 12), std::string("\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22", 12));
  EXPECT_EQ(bytes.substr(12, 11), std::string("\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0d", 11));
  EXPECT_EQ(bytes.substr(23, 13), "brain.Event:2");
  EXPECT_EQ(bytes.size(), 12u + 24 + 4);
}

TEST(Tensorboard, ALineIsAnEventOfItsNumbers) {
  const std::string bytes =
      tensorboard_event({{"step", 300}, {"loss", 0.5}, {"eval_loss", 2}, {"samples", json::array{"x"}}}, 2);
  ASSERT_EQ(bytes.size(), 12 + raw_at<uint64_t>(bytes, 0) + 4);
  const std::string_view data = std::string_view(bytes).substr(12, raw_at<uint64_t>(bytes, 0));
  EXPECT_EQ(raw_at<double>(data, 1), 2);
  EXPECT_EQ(data.substr(9, 3), "\x10\xac\x02") << "step 300, seven bits a byte";
  const size_t loss = data.find("train/loss");
  ASSERT_NE(loss, std::string_view::npos);
  EXPECT_EQ(raw_at<float>(data, loss + 11), 0.5F);
  EXPECT_NE(data.find("eval/loss"), std::string_view::npos);
  EXPECT_EQ(data.find("samples"), std::string_view::npos);
  EXPECT_EQ(tensorboard_event({{"step", 1}, {"samples", json::array{}}}, 2), "");
}

TEST(Tensorboard, TimesOfALogFollowItsSpeed) {
  const std::string log =
      "{\"step\":1,\"loss\":1,\"tokens\":100,\"tokens_per_second\":50}\n"
      "{\"step\":2,\"loss\":1,\"tokens\":100,\"tokens_per_second\":25}\n";
  const std::string bytes = tensorboard_events(log, 1000);
  EXPECT_TRUE(bytes.starts_with(tensorboard_header(994)));
  EXPECT_EQ(raw_at<double>(bytes, 40 + 13), 996);
  EXPECT_EQ(tensorboard_events("", 7), tensorboard_header(7));
}

}  // namespace
}  // namespace pelton
