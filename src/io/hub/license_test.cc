#include "io/hub/license.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

std::string read(std::string_view front_matter) {
  return to_string(license_of_card("---\n" + std::string(front_matter) + "---\n# A model\nlicense: in the text\n"));
}

TEST(LicenseTest, FromTheFrontMatter) {
  EXPECT_EQ(read("language: en\nlicense: apache-2.0\n"), "apache-2.0");
  EXPECT_EQ(read("license: \"mit\"\n"), "mit");
  EXPECT_EQ(read("license: 'mit' # as it was\n"), "mit");
  EXPECT_EQ(read("license: mit # as it was\r\n"), "mit");
  EXPECT_EQ(read("license:\n- mit\n- apache-2.0\nlanguage: en\n"), "mit, apache-2.0");
  EXPECT_EQ(read("license:\n  - mit\n"), "mit");
  EXPECT_EQ(read("license: [mit, 'apache-2.0']\n"), "mit, apache-2.0");
  EXPECT_EQ(read("license: other\nlicense_name: llama3.2\nlicense_link: LICENSE\n"), "other (llama3.2)");
  EXPECT_EQ(license_of_card("---\nlicense: other\nlicense_link: LICENSE\n---\n").link, "LICENSE");
}

TEST(LicenseTest, NotStated) {
  EXPECT_EQ(read(""), "not stated");
  EXPECT_EQ(read("tags:\n- license: mit\n"), "not stated");
  EXPECT_EQ(read("model:\n  license: mit\n"), "not stated");
  for (const char* card : {"", "---", "---\n", "# A model\nlicense: mit\n", "---\nlicense: mit\n"}) {
    EXPECT_FALSE(license_of_card(card).is_stated()) << card;
  }
}

TEST(LicenseTest, AsJson) {
  const License license{.id = "other", .name = "llama3.2", .link = "LICENSE"};
  EXPECT_EQ(to_string(license_of_json(to_json(license))), "other (llama3.2)");
  EXPECT_EQ(to_string(license_of_json(to_json(License{}))), "not stated");
  EXPECT_EQ(to_string(license_of_json({{"license", json::array{"mit", 3, "isc"}}})), "mit, isc");
  EXPECT_EQ(to_string(license_of_json({{"license", 7}})), "not stated");
}

}  // namespace
}  // namespace pelton
