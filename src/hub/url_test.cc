#include "hub/url.h"

#include <gtest/gtest.h>

#include "io/error_matchers.h"

namespace pelton {
namespace {

std::string resolved(const char* base, const char* reference) {
  return to_string(resolve_url(parse_url(base), reference));
}

TEST(UrlTest, Parses) {
  const Url url = parse_url("HTTPS://Example.org:8443/a/b?c=d%20e#f");
  EXPECT_TRUE(url.is_secure);
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b?c=d%20e");
  EXPECT_EQ(to_string(url), "https://example.org:8443/a/b?c=d%20e");
  EXPECT_EQ(to_display(url), "https://example.org:8443/a/b");
  EXPECT_EQ(to_string(parse_url("https://h?x=1")), "https://h/?x=1");
  EXPECT_EQ(to_string(parse_url("http://h:80/")), "http://h/");
  EXPECT_EQ(to_string(parse_url("http://[::1]:5/x")), "http://[::1]:5/x");
  EXPECT_EQ(parse_url("http://[::1]:5/x").host, "::1");
  EXPECT_EQ(parse_url("https://h/\xC3\xBC").target, "/%C3%BC");
}

TEST(UrlTest, RefusesWhatCannotBeFetched) {
  for (const char* text :
       {"", "h", "ftp://h/", "file:///etc/passwd", "https://", "https:///x", "https://h:0/", "https://h:65536/",
        "https://h:x/", "https://h:/", "https://[::1/", "https://[::1]x/", "https://h/a b", "https://h/a\r\nHost: x",
        "https://h\nx/", "https://h%41/", "javascript:alert(1)"}) {
    expect_error([&] { parse_url(text); }, ErrorCode::kInvalidArgument, {"no address"});
  }
  expect_error([] { parse_url("https://h/" + std::string(20000, 'a')); }, ErrorCode::kInvalidArgument, {"longer"});
}

TEST(UrlTest, APasswordIsRefusedAndNotRepeated) {
  try {
    parse_url("https://me:secret@h/");
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find("secret"), std::string::npos) << error.message();
  }
}

TEST(UrlTest, ResolvesReferences) {
  const char* base = "https://h:1/a/b?q=1";
  EXPECT_EQ(resolved(base, "https://other/x"), "https://other/x");
  EXPECT_EQ(resolved(base, "http://other/x"), "http://other/x");
  EXPECT_EQ(resolved(base, "//other/x"), "https://other/x");
  EXPECT_EQ(resolved(base, "/x?y=z"), "https://h:1/x?y=z");
  EXPECT_EQ(resolved(base, "/x?u=https://else/"), "https://h:1/x?u=https://else/");
  EXPECT_EQ(resolved(base, "x"), "https://h:1/a/x");
  EXPECT_EQ(resolved(base, "?r=2"), "https://h:1/a/b?r=2");
  EXPECT_EQ(resolved(base, ""), "https://h:1/a/");
}

TEST(UrlTest, OriginsAreSchemeHostAndPort) {
  const Url url = parse_url("https://h/a");
  EXPECT_TRUE(url.has_origin_of(parse_url("https://H:443/b")));
  EXPECT_FALSE(url.has_origin_of(parse_url("http://h:443/a")));
  EXPECT_FALSE(url.has_origin_of(parse_url("https://h:444/a")));
  EXPECT_FALSE(url.has_origin_of(parse_url("https://h.evil/a")));
}

TEST(UrlTest, Loopback) {
  for (const char* text : {"http://localhost/", "http://127.0.0.1/", "http://127.8.9.1:4/", "http://[::1]/"}) {
    EXPECT_TRUE(parse_url(text).is_loopback()) << text;
  }
  for (const char* text :
       {"http://127.evil.org/", "http://localhost.evil/", "http://10.0.0.1/", "http://1127.0.0.1/"}) {
    EXPECT_FALSE(parse_url(text).is_loopback()) << text;
  }
}

TEST(UrlTest, Encodes) {
  EXPECT_EQ(percent_encode("a b/ü+?%#"), "a%20b%2F%C3%BC%2B%3F%25%23");
  EXPECT_EQ(percent_encode("a b/c", "/"), "a%20b/c");
}

}  // namespace
}  // namespace pelton
