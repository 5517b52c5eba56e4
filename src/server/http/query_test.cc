#include "server/http/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/http_error.h"
#include "server/http/request_head.h"

namespace pelton {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(Query, ReadsNamesAndValues) {
  EXPECT_THAT(parse_query(""), IsEmpty());
  EXPECT_THAT(parse_query("after=ftjob-1&limit=20"), ElementsAre(Pair("after", "ftjob-1"), Pair("limit", "20")));
  EXPECT_THAT(parse_query("a&b=&c=1=2&&%61%26=x+y%2B"),
              ElementsAre(Pair("a", ""), Pair("b", ""), Pair("c", "1=2"), Pair("a&", "x y+")));
}

TEST(Query, RefusesWhatCouldBeReadInTwoWays) {
  EXPECT_THROW(parse_query("a=1&b=2&a=1"), HttpError);
  for (const char* broken : {"a=%", "a=%4", "%zz=1", "a=%4g"}) EXPECT_THROW(parse_query(broken), HttpError) << broken;
  std::string many;
  for (int i = 0; i < 33; ++i) many += "n" + std::to_string(i) + "&";
  EXPECT_THROW(parse_query(many), HttpError);
}

TEST(Query, IsWhatStandsBetweenMarkAndFragment) {
  EXPECT_EQ(query_of_target("/v1/files?limit=2#x?y"), "limit=2");
  EXPECT_EQ(query_of_target("http://host/v1/files?a?b"), "a?b");
  EXPECT_EQ(query_of_target("/v1/files#x?y"), "");
  EXPECT_EQ(path_of_target("/v1/files%2Fa?limit=2"), "/v1/files/a");
}

}  // namespace
}  // namespace pelton
