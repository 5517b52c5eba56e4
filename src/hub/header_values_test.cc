#include "hub/header_values.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton {
namespace {

TEST(HeaderValuesTest, Etags) {
  EXPECT_EQ(normal_etag("\"abc\""), "abc");
  EXPECT_EQ(normal_etag("W/\"abc\""), "abc");
  EXPECT_EQ(normal_etag("abc"), "abc");
  EXPECT_EQ(normal_etag("\""), "\"");
  EXPECT_EQ(normal_etag(""), "");
  EXPECT_TRUE(is_content_hash(std::string(40, 'a')) && is_content_hash(std::string(64, '0')));
  EXPECT_FALSE(is_content_hash(std::string(64, 'A')) || is_content_hash(std::string(41, 'a')));
  EXPECT_FALSE(is_content_hash("../../" + std::string(34, 'a')));
}

TEST(HeaderValuesTest, NextLinks) {
  EXPECT_EQ(next_link("<https://h/x?cursor=a>; rel=\"next\""), "https://h/x?cursor=a");
  EXPECT_EQ(next_link("<https://h/1>; rel=\"prev\", <https://h/3,4;5>; rel=\"next\""), "https://h/3,4;5");
  EXPECT_EQ(next_link("<https://h/3>; title=\"x\"; REL=next"), "https://h/3");
  EXPECT_EQ(next_link("<https://h/3>; rel=\"nextish\""), std::nullopt);
  EXPECT_EQ(next_link("<https://h/3>; rel=\"prev\""), std::nullopt);
  for (const char* text : {"", "x", "<", "<>", "rel=next", "<https://h/3; rel=next"}) {
    EXPECT_EQ(next_link(text), std::nullopt) << text;
  }
}

TEST(HeaderValuesTest, ContentRanges) {
  const auto range = parse_content_range("bytes 5-9/100");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->begin, 5);
  EXPECT_EQ(range->end, 10);
  EXPECT_EQ(range->size_bytes, 100);
  EXPECT_TRUE(parse_content_range("bytes 0-99/100"));
  for (const char* text :
       {"", "bytes", "bytes 0-99/*", "bytes */100", "bytes 9-5/100", "bytes 0-100/100", "items 0-1/2", "bytes -1-5/9",
        "bytes 0-1/2 ", "bytes 0-99999999999999999999/5", "bytes 0 - 1/2"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

}  // namespace
}  // namespace pelton
