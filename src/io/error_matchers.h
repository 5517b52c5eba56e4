// For tests only: what an Error must say.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace pelton {

// Expects `action` to throw an Error with this code whose message has all of `parts`.
template <typename Action>
void expect_error(Action action, ErrorCode code, const std::vector<std::string>& parts) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown; expected: " << testing::PrintToString(parts);
  } catch (const Error& error) {
    EXPECT_EQ(error_code_info(error.code()).name, error_code_info(code).name) << error.message();
    for (const std::string& part : parts) EXPECT_THAT(error.message(), testing::HasSubstr(part));
  }
}

}  // namespace pelton
