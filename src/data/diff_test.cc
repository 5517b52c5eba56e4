#include "data/diff.h"

#include <gtest/gtest.h>

#include "data/test_files.h"

namespace pelton::data {
namespace {

TEST(Diff, ByIdOrByContent) {
  const TestFiles files;
  const std::string before = files.write("a.jsonl",
                                         "{\"id\":\"same\",\"text\":\"x\"}\n"
                                         "{\"id\":\"gone\",\"text\":\"x\"}\n"
                                         "{\"id\":\"edited\",\"text\":\"old\"}\n"
                                         "{\"id\":\"scored\",\"text\":\"y\"}\n"
                                         "{\"id\":\"same\",\"text\":\"again\"}\n"
                                         "{\"text\":\"no id\"}\nbroken\n");
  const std::string after = files.write("b.jsonl",
                                        "{\"text\":\"no id\"}\n"
                                        "{\"id\":\"new\",\"text\":\"n\"}\n"
                                        "{\"id\":\"edited\",\"text\":\"new\"}\n"
                                        "{\"id\":\"scored\",\"text\":\"y\",\"score\":1}\n"
                                        "{\"id\":\"same\",\"text\":\"x\"}\n");
  const DatasetDiff diff = diff_datasets(find_input_files(before, {}), find_input_files(after, {}), 10);
  EXPECT_EQ(diff.records_before, 6u);
  EXPECT_EQ(diff.records_after, 5u);
  EXPECT_EQ(diff.same, 2u);
  EXPECT_EQ(diff.content, 1u);
  EXPECT_EQ(diff.fields, 1u);
  EXPECT_EQ(diff.added, 1u);
  EXPECT_EQ(diff.removed, 1u);
  EXPECT_EQ(diff.repeated_ids, 1u);
  EXPECT_EQ(diff.bad_lines, 1u);
  ASSERT_EQ(diff.examples.size(), 4u);
  EXPECT_EQ(diff.examples[0].kind, "added");
  EXPECT_EQ(diff.examples[1].kind, "content");
  EXPECT_EQ(diff.examples[1].before, "{\"id\":\"edited\",\"text\":\"old\"}");
  EXPECT_EQ(diff.examples[1].after, "{\"id\":\"edited\",\"text\":\"new\"}");
  EXPECT_EQ(diff.examples[3].kind, "removed");
  EXPECT_EQ(diff.examples[3].id, "gone");
}

}  // namespace
}  // namespace pelton::data
