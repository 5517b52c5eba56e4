// What may be asked for, and by which way; the exchanges themselves are tests/cli/pull_faults_test.py's.
#include "hub/hub_session.h"

#include <gtest/gtest.h>

#include <map>

#include "hub/pull.h"
#include "io/error_matchers.h"

namespace pelton {
namespace {

bool allowed(const char* endpoint, const char* beginning, const char* url) {
  HubAccess access;
  access.endpoint = parse_url(endpoint);
  return is_allowed(access, parse_url(url), parse_url(beginning));
}

TEST(HubSessionTest, PlainHttpIsForTheEndpointThatSaysSoAndForLoopback) {
  const char* hub = "https://hub.org";
  EXPECT_TRUE(allowed(hub, "https://hub.org/x", "https://cdn.org/y"));
  EXPECT_FALSE(allowed(hub, "https://hub.org/x", "http://cdn.org/y"));
  EXPECT_FALSE(allowed(hub, "https://hub.org/x", "http://127.0.0.1/y")) << "nobody outside leads us to this machine";
  EXPECT_FALSE(allowed(hub, "http://hub.org/x", "http://hub.org/x"));
  EXPECT_TRUE(allowed(hub, "http://localhost:1/x", "http://127.0.0.1:2/y"));
  EXPECT_TRUE(allowed("http://mirror:8080", "http://mirror:8080/x", "http://mirror:8080/y"));
  EXPECT_FALSE(allowed("http://mirror:8080", "http://mirror:8080/x", "http://mirror:8081/y"));
  EXPECT_FALSE(allowed("http://mirror:8080", "http://mirror:8080/x", "http://localhost/y"));
  EXPECT_TRUE(allowed("http://mirror:8080", "http://mirror:8080/x", "https://cdn.org/y"));
}

std::optional<HttpProxy> proxy(const char* url, const std::map<std::string, std::string>& variables) {
  return proxy_of_environment(parse_url(url), [&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(HubSessionTest, ProxiesOfTheEnvironment) {
  EXPECT_FALSE(proxy("https://hub.org/", {}));
  EXPECT_EQ(proxy("https://hub.org/", {{"https_proxy", "p:3128"}})->url.host, "p");
  EXPECT_EQ(proxy("https://hub.org/", {{"ALL_PROXY", "http://p:3128/"}})->url.port, 3128);
  EXPECT_EQ(proxy("https://hub.org/", {{"HTTPS_PROXY", "http://a:b%3Ac@p"}})->authorization, "Basic YTpiOmM=");
  EXPECT_FALSE(proxy("https://localhost/", {{"HTTPS_PROXY", "p"}}));
  EXPECT_FALSE(proxy("http://hub.org/", {{"HTTPS_PROXY", "p"}}));
  for (const char* list : {"*", "hub.org", "x, .org ,y", "org"}) {
    EXPECT_FALSE(proxy("https://hub.org/", {{"HTTPS_PROXY", "p"}, {"NO_PROXY", list}})) << list;
  }
  for (const char* list : {"", ",", "ub.org", "hub.org.de", " . "}) {
    EXPECT_TRUE(proxy("https://hub.org/", {{"HTTPS_PROXY", "p"}, {"NO_PROXY", list}})) << list;
  }
  expect_error(
      [] {
        proxy("https://hub.org/", {{"HTTPS_PROXY", "socks5://p"}});
      },
      ErrorCode::kUnsupported, {"HTTPS_PROXY"});
}

std::string named(const char* url) {
  const auto name = hub_name_of_address(parse_url(url), parse_url("https://hub.org"));
  return name ? to_string(*name) : "";
}

TEST(HubSessionTest, AddressesOfTheHubAreNames) {
  EXPECT_EQ(named("https://hub.org/o/n"), "hf:o/n");
  EXPECT_EQ(named("https://hub.org/o/n/tree/v1"), "hf:o/n@v1");
  EXPECT_EQ(named("https://hub.org/o/n/blob/refs%2Fpr%2F1/a/b%20c.gguf?x=1"), "hf:o/n:a/b c.gguf@refs/pr/1");
  EXPECT_EQ(named("https://hub.org/datasets/o/n/resolve/main/x.parquet"), "dataset:hf:o/n:x.parquet@main");
  for (const char* url : {"https://other.org/o/n", "http://hub.org/o/n", "https://hub.org/", "https://hub.org/o",
                          "https://hub.org/o/n/discussions/1", "https://hub.org/../n", "https://hub.org/o/n/blob"}) {
    EXPECT_EQ(named(url), "") << url;
  }
}

}  // namespace
}  // namespace pelton
