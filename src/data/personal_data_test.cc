#include "data/personal_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// "kind:text" of each span.
std::vector<std::string> found(std::string_view text, PersonalKinds kinds = kAllPersonalKinds) {
  std::vector<std::string> result;
  for (const PersonalSpan& span : find_personal_data(text, kinds)) {
    result.push_back(std::string(personal_kind_name(span.kind)) + ":" +
                     std::string(text.substr(span.begin, span.end - span.begin)));
  }
  return result;
}

TEST(PersonalData, Emails) {
  EXPECT_THAT(found("Write to anna.b+x@mail.example.co.uk, or <bob@firma.de>."),
              ElementsAre("email:anna.b+x@mail.example.co.uk", "email:bob@firma.de"));
  EXPECT_THAT(found("user@localhost, @Override, a@b, git@@x.de, 3@4.5"), IsEmpty());
}

TEST(PersonalData, IbansByLengthAndChecksum) {
  EXPECT_THAT(found("DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432"),
              ElementsAre("iban:DE89 3704 0044 0532 0130 00", "iban:GB82WEST12345698765432"));
  EXPECT_THAT(found("DE89 3704 0044 0532 0130 01"), IsEmpty());  // checksum
  EXPECT_THAT(found("DE89 3704 0044 0532 0130"), IsEmpty());     // too short
  EXPECT_THAT(found("XDE89370400440532013000"), IsEmpty());      // within a word
}

TEST(PersonalData, CardsByPrefixAndLuhn) {
  EXPECT_THAT(found("4111 1111 1111 1111, 5500-0000-0000-0004, 378282246310005"),
              ElementsAre("card:4111 1111 1111 1111", "card:5500-0000-0000-0004", "card:378282246310005"));
  EXPECT_THAT(found("4111 1111 1111 1112"), IsEmpty());
  EXPECT_THAT(found("9780306406157 0.4111111111111111 41111111111111111111"), IsEmpty());
}

TEST(PersonalData, Addresses) {
  EXPECT_THAT(found("from 64.160.173.73 to 2001:db8:85a3::8a2e:370:7334."),
              ElementsAre("ip:64.160.173.73", "ip:2001:db8:85a3::8a2e:370:7334"));
  EXPECT_THAT(found("127.0.0.1 0.0.0.0 255.255.255.0 1.2.3 1.2.3.4.5 256.1.1.1 version 10.2.3.4 std::vector 10:20:30"),
              IsEmpty());
}

TEST(PersonalData, Phones) {
  EXPECT_THAT(
      found("(+1) 415-555-7267, +44 20 7946 6664, 415.555.2671, Tel.: 030 7395759"),
      ElementsAre("phone:(+1) 415-555-7267", "phone:+44 20 7946 6664", "phone:415.555.2671", "phone:030 7395759"));
  EXPECT_THAT(found("978-3-16-407723-9, 2024-12-08 at 10:51, 1+1234, section 3.14.15, 555-1234"), IsEmpty());
}

TEST(PersonalData, SecretsByTheirPrefix) {
  EXPECT_THAT(found("key AKIAEMRVFTVATHIPGADX, ghp_fRE5e32A8Yb3FKaNQyyLaMeffOhq4AUvy7VS"),
              ElementsAre("secret:AKIAEMRVFTVATHIPGADX", "secret:ghp_fRE5e32A8Yb3FKaNQyyLaMeffOhq4AUvy7VS"));
  EXPECT_THAT(found("-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY----- x"),
              ElementsAre("secret:-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"));
  EXPECT_THAT(found("sha1 39ef56232c81a42c361e4fbcf3770e41f888e709 risk-averse-people-and-others"), IsEmpty());
}

TEST(PersonalData, NationalIdsByTheirChecks) {
  EXPECT_THAT(found("123-45-6789 12345678Z RSSMRA85T10A562S 2 55 08 14 168 025 38"),
              ElementsAre("national_id:123-45-6789", "national_id:12345678Z", "national_id:RSSMRA85T10A562S",
                          "national_id:2 55 08 14 168 025 38"));
  EXPECT_THAT(found("000-45-6789 666-45-6789 12345678A RSSMRA85T10A562T 2 55 08 14 168 025 39"), IsEmpty());
}

TEST(PersonalData, OnlyTheKindsAskedForAndNoOverlap) {
  EXPECT_THAT(found("a@b.de 64.160.173.73", kind_bit(PersonalKind::kIp)), ElementsAre("ip:64.160.173.73"));
  EXPECT_THAT(found("+49 4111 1111 1111 1111"), ElementsAre("card:4111 1111 1111 1111"));
}

TEST(PersonalData, ReplacementsAreConsistentAndFoundNoMore) {
  for (int k = 0; k < kPersonalKindCount; ++k) {
    const auto kind = static_cast<PersonalKind>(k);
    const std::string one = personal_replacement(kind, "original", 1);
    EXPECT_EQ(one, personal_replacement(kind, "original", 1));
    EXPECT_NE(one, personal_replacement(kind, "another", 1));
    EXPECT_NE(one, personal_replacement(kind, "original", 2));
    EXPECT_THAT(found(personal_mask(kind)), IsEmpty());
  }
}

}  // namespace
}  // namespace pelton::data
