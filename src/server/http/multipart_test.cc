#include "server/http/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "server/http/http_error.h"

namespace pelton {
namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=xyz";

// As httpx writes it, which OpenAI's client uses.
const std::string kUpload =
    "--xyz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nfine-tune\r\n"
    "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n"
    "Content-Type: application/octet-stream\r\n\r\n{\"a\": 1}\r\n{\"a\": 2}\n\r\n--xyz--\r\n";

std::string refusal(std::string_view body, std::string_view type = kType, const MultipartLimits& limits = {}) {
  try {
    parse_multipart(type, body, limits);
  } catch (const HttpError& error) {
    return error.what();
  }
  return "taken";
}

// One part with these headers, each with its line's end.
std::string with_headers(const std::string& headers) { return "--xyz\r\n" + headers + "\r\nbody\r\n--xyz--"; }

TEST(Multipart, ReadsWhatClientsSend) {
  const std::vector<MultipartPart> parts = parse_multipart(kType, kUpload);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].name, "purpose");
  EXPECT_EQ(parts[0].file_name, std::nullopt);
  EXPECT_EQ(parts[0].body, "fine-tune");
  EXPECT_EQ(parts[1].name, "file");
  EXPECT_EQ(parts[1].file_name, "a.jsonl");
  EXPECT_EQ(parts[1].body, "{\"a\": 1}\r\n{\"a\": 2}\n");
}

TEST(Multipart, TypesAndNamesMayBeWrittenOtherwise) {
  EXPECT_EQ(parse_multipart("Multipart/Form-Data;BOUNDARY=\"xyz\"", kUpload).size(), 2u);
  const std::vector<MultipartPart> parts = parse_multipart(
      kType,
      with_headers("content-disposition:form-data;filename=\"C:\\\\a \\\"b\\\".txt\" ; name=file\r\nX-More: 1\r\n"));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].name, "file");
  EXPECT_EQ(parts[0].file_name, "C:\\a \"b\".txt");
}

TEST(Multipart, ABodyMayHoldNearlyItsBoundary) {
  const std::string body = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--xyz\n\r\n--xy\r\n\r\n--xyz--";
  EXPECT_EQ(parse_multipart(kType, body).at(0).body, "--xyz\n\r\n--xy\r\n");
}

TEST(Multipart, EmptyBodiesAreBodies) {
  const std::string body = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--xyz--\r\n";
  EXPECT_EQ(parse_multipart(kType, body).at(0).body, "");
}

TEST(Multipart, OtherTypesAndBoundariesAreRefused) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal(kUpload, "application/json"), HasSubstr("must be multipart/form-data"));
  EXPECT_THAT(refusal(kUpload, ""), HasSubstr("must be multipart/form-data"));
  for (const std::string& type :
       {std::string("multipart/form-data"), std::string("multipart/form-data; boundary="),
        std::string("multipart/form-data; boundary=\"a\\nb\""), "multipart/form-data; boundary=" + std::string(71, 'a'),
        std::string("multipart/form-data; boundary=\"ab \"")}) {
    EXPECT_THAT(refusal(kUpload, type), HasSubstr("no boundary")) << type;
  }
  EXPECT_THAT(refusal(kUpload, "multipart/form-data; boundary=a; boundary=b"), HasSubstr("stands twice"));
  EXPECT_THAT(refusal(kUpload, "multipart/form-data; boundary=\"xyz"), HasSubstr("no end"));
  EXPECT_THAT(refusal(kUpload, "multipart/form-data; boundary=other"), HasSubstr("does not begin"));
}

TEST(Multipart, PartsThatCouldBeReadInTwoWaysAreRefused) {
  using testing::HasSubstr;
  const std::string disposition = "Content-Disposition: form-data; name=\"a\"\r\n";
  EXPECT_THAT(refusal("preamble\r\n" + kUpload), HasSubstr("does not begin"));
  EXPECT_THAT(refusal(kUpload + "more"), HasSubstr("something else"));
  EXPECT_THAT(refusal("--xyz--more"), HasSubstr("something else"));
  EXPECT_THAT(refusal("--xyz\n" + disposition), HasSubstr("something else"));
  EXPECT_THAT(refusal("--xyz\r\n" + disposition), HasSubstr("no end"));
  EXPECT_THAT(refusal("--xyz\r\n" + disposition + "\r\nbody"), HasSubstr("no end"));
  EXPECT_THAT(refusal("--xyz\r\n" + disposition + "\r\nbody\r\n--xyz"), HasSubstr("last one is missing"));
  EXPECT_THAT(refusal("--xyz\r\n" + disposition + "\r\n1\r\n" + with_headers(disposition)), HasSubstr("two parts"));
  EXPECT_THAT(refusal(with_headers("X: 1\r\n")), HasSubstr("no Content-Disposition"));
  EXPECT_THAT(refusal(with_headers(disposition + disposition)), HasSubstr("two headers"));
  EXPECT_THAT(refusal(with_headers("Content-Disposition: attachment; name=\"a\"\r\n")), HasSubstr("not form-data"));
  EXPECT_THAT(refusal(with_headers("Content-Disposition: form-data\r\n")), HasSubstr("no name"));
  EXPECT_THAT(refusal(with_headers("Content-Disposition: form-data; name\r\n")), HasSubstr("no value"));
  EXPECT_THAT(refusal(with_headers("Content-Disposition: form-data; name=\"\"\r\n")), HasSubstr("is empty"));
  EXPECT_THAT(refusal(with_headers("Content-Disposition: form-data; name=\"a\tb\"\r\n")), HasSubstr("control"));
  EXPECT_THAT(refusal(with_headers("Content-Disposition: form-data; name=\"a\"b\r\n")), HasSubstr("follows"));
  EXPECT_THAT(refusal(with_headers("no colon\r\n")), HasSubstr("no name"));
  EXPECT_THAT(refusal(with_headers(disposition + "Content-Transfer-Encoding: base64\r\n")), HasSubstr("\"base64\""));
}

TEST(Multipart, IsBounded) {
  using testing::HasSubstr;
  std::string many;
  for (int i = 0; i < 3; ++i) {
    many += "--xyz\r\nContent-Disposition: form-data; name=" + std::to_string(i) + "\r\n\r\n\r\n";
  }
  EXPECT_THAT(refusal(many + "--xyz--", kType, {.part_count_max = 2}), HasSubstr("more than 2 parts"));
  const std::string long_header = "X: " + std::string(5000, 'a') + "\r\n";
  EXPECT_THAT(refusal(with_headers(long_header)), HasSubstr("longer than 4096"));
  std::string headers;
  for (int i = 0; i < 1000; ++i) headers += "X: aaaa\r\n";
  EXPECT_THAT(refusal(with_headers(headers)), HasSubstr("longer than 4096"));
}

// Whatever is cut or changed, the answer is parts within the body, or a refusal.
TEST(Multipart, BrokenBodiesNeverReadOutside) {
  for (size_t size = 0; size < kUpload.size(); ++size) refusal(std::string_view(kUpload).substr(0, size));
  Rng rng(7);
  for (int i = 0; i < 20000; ++i) {
    std::string body = kUpload;
    for (int change = 0; change < 3; ++change) {
      constexpr std::string_view kLetters = "\r\n-xyz\"\\:;= \0";
      body[rng.next() % body.size()] = kLetters[rng.next() % kLetters.size()];
    }
    refusal(body);
  }
}

}  // namespace
}  // namespace pelton
