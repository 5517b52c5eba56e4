#include "io/hub/hub_environment.h"

#include <gtest/gtest.h>

#include <map>

#include "base/test_folder.h"
#include "io/error_matchers.h"

namespace pelton {
namespace {

HubEnvironment read(std::map<std::string, std::string> variables) {
  variables.emplace("HOME", "/home-of-user");
  return read_hub_environment([variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(HubEnvironmentTest, Defaults) {
  const HubEnvironment environment = read({});
  EXPECT_EQ(environment.cache, "/home-of-user/.cache/huggingface/hub");
  EXPECT_EQ(environment.token_file, "/home-of-user/.cache/huggingface/token");
  EXPECT_EQ(environment.endpoint, "https://huggingface.co");
  EXPECT_FALSE(environment.is_offline);
  EXPECT_FALSE(environment.token);
}

TEST(HubEnvironmentTest, TheCacheFollowsItsVariables) {
  EXPECT_EQ(read({{"XDG_CACHE_HOME", "/x"}}).cache, "/x/huggingface/hub");
  EXPECT_EQ(read({{"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "/h"}}).cache, "/h/hub");
  EXPECT_EQ(read({{"HF_HOME", "~/h"}}).cache, "/home-of-user/h/hub");
  EXPECT_EQ(read({{"HF_HOME", "$DISK/${TEAM}/h$"}, {"DISK", "/d"}, {"TEAM", "t"}}).cache, "/d/t/h$/hub");
  EXPECT_EQ(read({{"HF_HOME", "/$UNKNOWN/${"}}).cache, "/$UNKNOWN/${/hub");
  EXPECT_EQ(read({{"HF_HOME", "/h"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}).cache, "/old");
  EXPECT_EQ(read({{"HF_HUB_CACHE", "/new"}, {"HUGGINGFACE_HUB_CACHE", "/old"}}).cache, "/new");
  EXPECT_EQ(read({{"HF_HUB_CACHE", "/new"}, {"HF_HOME", "/h"}}).token_file, "/h/token");
  EXPECT_EQ(read({{"HF_TOKEN_PATH", "/t"}}).token_file, "/t");
}

TEST(HubEnvironmentTest, Switches) {
  EXPECT_TRUE(read({{"HF_HUB_OFFLINE", "1"}}).is_offline);
  EXPECT_TRUE(read({{"TRANSFORMERS_OFFLINE", "yes"}}).is_offline);
  EXPECT_FALSE(read({{"HF_HUB_OFFLINE", "0"}}).is_offline);
  EXPECT_EQ(read({{"HF_ENDPOINT", "http://localhost:1//"}}).endpoint, "http://localhost:1");
  EXPECT_EQ(read({{"HF_HUB_DOWNLOAD_TIMEOUT", "7"}}).silence_max.count(), 7);
  for (const char* bad : {"0", "-1", "1.5", "soon", "99999999999"}) {
    expect_error([&] { read({{"HF_HUB_DOWNLOAD_TIMEOUT", bad}}); }, ErrorCode::kInvalidArgument, {bad});
  }
}

TEST(HubEnvironmentTest, TheTokenComesFromTheVariableOrTheFile) {
  const TestFolder folder;
  const std::string file = folder.write("token", "hf_from_file\n").string();
  EXPECT_EQ(hub_token(read({{"HF_TOKEN_PATH", file}})), "hf_from_file");
  EXPECT_EQ(hub_token(read({{"HF_TOKEN_PATH", file}, {"HF_TOKEN", " hf_a\n"}})), "hf_a");
  EXPECT_EQ(hub_token(read({{"HF_TOKEN_PATH", file + "-not"}})), std::nullopt);
  EXPECT_EQ(hub_token(read({{"HF_TOKEN", "hf_a"}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}})), std::nullopt);
}

TEST(HubEnvironmentTest, ATokenCannotAddAHeaderAndIsNotRepeated) {
  try {
    hub_token(read({{"HF_TOKEN", "hf_secret\r\nHost: evil"}}));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find("secret"), std::string::npos);
    EXPECT_NE(error.message().find("HF_TOKEN"), std::string::npos);
  }
}

}  // namespace
}  // namespace pelton
