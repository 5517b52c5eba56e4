#include "server/access/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/json_text.h"
#include "base/stopped_clock.h"
#include "server/http/http_error.h"

namespace pelton {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// As `printf abc | sha256sum` says (FIPS 180-2, appendix B.1).
constexpr const char* kHashOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(ApiKeys, HashesAsEverybodyDoes) { EXPECT_EQ(sha256_hex("abc"), kHashOfAbc); }

TEST(ApiKeys, FreshOnesDiffer) {
  const std::string key = make_api_key();
  EXPECT_EQ(key.size(), std::string("pelton-").size() + 43);
  EXPECT_EQ(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), key.npos);
  EXPECT_NE(key, make_api_key());
}

TEST(ApiKeys, WhatIsWrittenIsRead) {
  const std::vector<ApiKey> keys = {
      {.name = "a", .sha256 = kHashOfAbc},
      {.name = "b", .sha256 = sha256_hex("b"), .models = {"m"}, .requests_per_minute = 3, .tokens_per_minute = 7}};
  EXPECT_EQ(parse_api_keys(to_json_text(api_keys_to_json(keys))), keys);
}

TEST(ApiKeys, RefusesWhatItDoesNotUnderstand) {
  const std::string hash = kHashOfAbc;
  for (const std::string& entries :
       {std::string("{}"), R"({"name": "a", "sha256": "abc"})" + std::string(),
        R"({"name": "", "sha256": ")" + hash + "\"}", R"({"name": "a", "sha256": ")" + hash + R"(", "limit": 1})",
        R"({"name": "a", "sha256": ")" + hash + R"(", "models": []})",
        R"({"name": "a", "sha256": ")" + hash + R"(", "requests_per_minute": 0})",
        R"({"name": "a", "sha256": ")" + hash + R"("}, {"name": "b", "sha256": ")" + hash + "\"}"}) {
    EXPECT_THROW(parse_api_keys("{\"keys\": [" + entries + "]}"), Error) << entries;
  }
}

TEST(RateLimit, HoldsAMinutesWorthAndRefillsSteadily) {
  RateLimit limit(60, {});
  EXPECT_EQ(limit.wait_for(60, {}), std::nullopt);
  limit.take(60, {});
  EXPECT_EQ(limit.wait_for(1, {}), seconds(1));
  EXPECT_EQ(limit.wait_for(1, TimePoint(seconds(1))), std::nullopt);
  EXPECT_EQ(limit.wait_for(60, TimePoint(seconds(3600))), std::nullopt);
  limit.take(1, TimePoint(seconds(3600)));
  EXPECT_EQ(limit.wait_for(60, TimePoint(seconds(3600))), seconds(1))
      << "an hour of rest is worth no more than a minute";
}

TEST(RateLimit, WhatIsOwedFlowsInFirst) {
  RateLimit limit(60, {});
  limit.take(90, {});
  EXPECT_EQ(limit.wait_for(1, {}), seconds(31));
  EXPECT_EQ(limit.wait_for(1000, TimePoint(seconds(90))), std::nullopt) << "more than it can hold: when it is full";
}

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    write(R"([{"name": "abc", "sha256": ")" + std::string(kHashOfAbc) + R"(", "models": ["m"],
                            "requests_per_minute": 2}])");
  }
  ~AccessTest() override { std::filesystem::remove(file_); }

  void write(const std::string& keys) { std::ofstream(file_) << "{\"keys\": " << keys << "}"; }
  Access access() { return Access({.key_file = file_, .open_paths = {"/health"}, .clock = clock_}); }
  // What a request with `key` is told; 200: nothing.
  static int status(Access& access, const std::string& key, const std::string& path = "/v1/models") {
    try {
      access.admit({.method = "GET", .path = path, .credential = key});
      return 200;
    } catch (const HttpError& error) {
      return error.status();
    }
  }

  std::shared_ptr<StoppedClock> clock_ = std::make_shared<StoppedClock>();
  const std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("pelton-keys-" + std::to_string(::getpid()));
};

TEST_F(AccessTest, OnlyKnownKeysComeIn) {
  Access keys = access();
  EXPECT_EQ(status(keys, "abc"), 200);
  EXPECT_EQ(status(keys, ""), 401);
  EXPECT_EQ(status(keys, "abd"), 401);
  EXPECT_EQ(status(keys, kHashOfAbc), 401) << "who reads the file has no key";
  EXPECT_EQ(status(keys, "", "/health"), 200);
  EXPECT_EQ(status(keys, "", "/v1/health"), 401);
  Access open({});
  EXPECT_EQ(status(open, ""), 200);
}

TEST_F(AccessTest, LimitsHoldForAKey) {
  Access keys = access();
  EXPECT_EQ(status(keys, "abc"), 200);
  EXPECT_EQ(status(keys, "abc"), 200);
  try {
    keys.admit({.method = "GET", .path = "/", .credential = "abc"});
    ADD_FAILURE() << "the third request of two a minute";
  } catch (const HttpError& error) {
    EXPECT_EQ(error.status(), 429);
    EXPECT_THAT(error.what(), HasSubstr("2 requests a minute"));
    EXPECT_THAT(error.response().headers, testing::Contains(testing::Pair("Retry-After", "30")));
  }
  clock_->advance(seconds(30));
  EXPECT_EQ(status(keys, "abc"), 200);
}

TEST_F(AccessTest, TokensAreChargedAfterwards) {
  write(R"([{"name": "abc", "sha256": ")" + std::string(kHashOfAbc) + R"(", "tokens_per_minute": 60}])");
  Access keys = access();
  const std::shared_ptr<Caller> caller = keys.admit({.path = "/", .credential = "abc"});
  caller->charge_tokens(100);
  EXPECT_EQ(status(keys, "abc"), 429);
  clock_->advance(seconds(41));
  EXPECT_EQ(status(keys, "abc"), 200);
}

TEST_F(AccessTest, ReloadingKeepsTheCountsOfKeysThatStay) {
  Access keys = access();
  EXPECT_EQ(status(keys, "abc"), 200);
  EXPECT_EQ(status(keys, "abc"), 200);
  keys.reload();
  EXPECT_EQ(status(keys, "abc"), 429);
  write(R"([{"name": "other", "sha256": ")" + sha256_hex("other") + R"("}])");
  keys.reload();
  EXPECT_EQ(status(keys, "abc"), 401);
  EXPECT_EQ(status(keys, "other"), 200);
}

TEST_F(AccessTest, ABrokenFileChangesNothing) {
  Access keys = access();
  for (const char* broken : {"[", "[]"}) {
    write(broken);
    EXPECT_THROW(keys.reload(), Error) << broken;
    EXPECT_THROW(access(), Error) << broken;
  }
  EXPECT_EQ(status(keys, "abc"), 200);
}

}  // namespace
}  // namespace pelton
