#include "base/base64.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

TEST(Base64, IsThatOfTheSpecificationThereAndBack) {
  const std::pair<std::string, std::string> kPairs[] = {{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"},
                                                        {"foob\xFF", "Zm9vYv8="}};
  for (const auto& [bytes, text] : kPairs) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, WhatIsNoneIsRefused) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zm9v\n", "Z===", "====", "Zg==Zm9v", "Zm9-", "Zm=v"}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pelton
