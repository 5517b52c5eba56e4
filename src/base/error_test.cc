#include "base/error.h"

#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace pelton {
namespace {

template <typename Exception>
Error caught(const Exception& exception) {
  try {
    throw exception;
  } catch (...) {
    return current_error();
  }
}

TEST(CurrentError, KeepsAnError) {
  const Error error = caught(Error(ErrorCode::kNotFound, "no such file", "model"));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.message(), "no such file");
  EXPECT_EQ(error.parameter(), "model");
}

TEST(CurrentError, LackOfMemoryIsTheWorlds) {
  EXPECT_EQ(caught(std::bad_alloc()).code(), ErrorCode::kResourceExhausted);
}

TEST(CurrentError, AllElseIsABug) {
  const Error known = caught(std::runtime_error("broken"));
  EXPECT_EQ(known.code(), ErrorCode::kInternal);
  EXPECT_EQ(known.message(), "unexpected: broken");
  EXPECT_EQ(caught(5).code(), ErrorCode::kInternal);
}

}  // namespace
}  // namespace pelton
