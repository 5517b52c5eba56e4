#include "data/block_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "data/packing.h"
#include "data/test_files.h"

namespace pelton::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct ReadLines {
  std::vector<std::string> lines;  // each with its number before it
  std::vector<std::string> problems;
};

void take(const Block& block, ReadLines& read) {
  std::string_view rest = block.lines();
  uint64_t number = block.first_line;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    read.lines.push_back(std::to_string(number++) + " " + std::string(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  EXPECT_EQ(number, block.first_line + block.line_count);
  if (block.problem) read.problems.push_back(std::to_string(block.problem->number) + " " + block.problem->reason);
}

ReadLines read_lines(const std::string& pattern, BlockReaderOptions options = {}) {
  const std::vector<InputFile> files = find_input_files(pattern, {});
  BlockReader reader(files, options);
  ReadLines read;
  for (Block block; reader.next(block);) take(block, read);
  return read;
}

TEST(BlockReader, WholeLinesWithTheirNumbers) {
  const TestFiles files;
  const std::string path = files.write("a.jsonl", "one\n\nthree\nfour");
  for (const size_t block_bytes : {1, 5, 6, 100}) {
    EXPECT_THAT(read_lines(path, {.block_bytes = block_bytes}).lines, ElementsAre("1 one", "2 ", "3 three", "4 four"))
        << block_bytes;
  }
  EXPECT_THAT(read_lines(files.write("b.jsonl", "")).lines, ElementsAre());
  EXPECT_THAT(read_lines(files.write("c.jsonl", "\n")).lines, ElementsAre("1 "));
}

// The same blocks from any position on, for lines of all lengths.
TEST(BlockReader, GoesOnAtEveryBlock) {
  const TestFiles files;
  Rng rng(11);
  for (const std::string name : {"0.jsonl", "1.jsonl", "2.jsonl.zst", "3.jsonl.gz"}) {
    std::string lines;
    for (int i = 0; i < 40; ++i) lines += std::string(rng.next_below(rng.next_below(10) == 0 ? 900 : 60), 'x') + "\n";
    std::string packed;
    pack(lines, packing_of(name), packed);
    files.write(name, packed);
  }
  const std::vector<InputFile> inputs = find_input_files(files.path("*.jsonl*"), {});
  ASSERT_EQ(inputs.size(), 4u);
  const BlockReaderOptions options{.block_bytes = 256};
  std::vector<std::string> blocks;
  std::vector<ReaderPosition> positions;
  {
    BlockReader reader(inputs, options);
    for (Block block; reader.next(block);) {
      blocks.emplace_back(block.lines());
      positions.push_back(block.end);
    }
  }
  for (size_t i = 0; i < positions.size(); ++i) {
    BlockReader reader(inputs, options);
    reader.seek(positions[i]);
    size_t next = i + 1;
    for (Block block; reader.next(block); ++next) ASSERT_EQ(block.lines(), blocks.at(next)) << i;
    EXPECT_EQ(next, blocks.size());
  }
}

TEST(BlockReader, PassesOverALineThatIsTooLong) {
  const TestFiles files;
  const std::string path =
      files.write("a.jsonl", "one\n" + std::string(1000, 'x') + "\nthree\n" + std::string(400, 'y'));
  const ReadLines read = read_lines(path, {.block_bytes = 16, .line_bytes_max = 200});
  EXPECT_THAT(read.lines, ElementsAre("1 one", "3 three"));
  EXPECT_THAT(read.problems, ElementsAre(HasSubstr("2 a line of more than"), HasSubstr("4 a line of more than")));
}

TEST(BlockReader, DamagedFilesGiveWhatTheyHave) {
  const TestFiles files;
  Rng rng(3);
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += std::to_string(rng.next()) + "\n";
  for (const std::string name : {"a.jsonl.zst", "a.jsonl.gz"}) {
    std::string packed;
    for (size_t i = 0; i < lines.size(); i += 10000) pack(lines.substr(i, 10000), packing_of(name), packed);
    const ReadLines read = read_lines(files.write(name, packed.substr(0, packed.size() - 100)));
    EXPECT_GT(read.lines.size(), 4000u);
    ASSERT_EQ(read.problems.size(), 1u);
    EXPECT_THAT(read.problems[0], HasSubstr("ends in the middle"));
    packed[packed.size() / 2] ^= 0x55;
    packed[packed.size() / 2 + 1] ^= 0x55;
    EXPECT_EQ(read_lines(files.write("b" + name, packed)).problems.size(), 1u);
  }
}

TEST(InputFiles, FoldersGlobsAndKinds) {
  const TestFiles files;
  files.write("a/x.jsonl", "{}\n");
  files.write("a/b/y.txt", "two\nlines \"quoted\"\n");
  files.write("a/b/z.md", "");
  files.write("a/picture.png", "");
  files.write("list.json", " [ {\"a\":\n \"x\\ny ] ,\"}, {\"b\": [1, {}]} ,{}]");
  files.write("table.csv", "\xEF\xBB\xBFid,text\r\n1,\"a \"\"b\"\"\nc,\"\r\n2,\r\n3,é\n");
  EXPECT_THAT(read_lines(files.path("a")).lines, ElementsAre(R"(1 {"id":"b/y.txt","text":"two\nlines \"quoted\"\n"})",
                                                             R"(1 {"id":"b/z.md","text":""})", "1 {}"));
  EXPECT_EQ(find_input_files(files.path("**/*.jsonl"), {}).size(), 1u);
  EXPECT_EQ(find_input_files(files.path("a/*/*.txt"), {}).size(), 1u);
  EXPECT_EQ(find_input_files(files.path("a/?/[yz].*"), {}).size(), 2u);
  EXPECT_THAT(read_lines(files.path("list.json")).lines,
              ElementsAre(R"(1 {"a":  "x\ny ] ,"})", R"(2 {"b": [1, {}]} )", "3 {}"));
  EXPECT_THAT(
      read_lines(files.path("table.csv")).lines,
      ElementsAre(R"(1 {"id":"1","text":"a \"b\"\nc,"})", R"(2 {"id":"2","text":""})", R"(3 {"id":"3","text":"é"})"));
  EXPECT_THROW(find_input_files(files.path("*.nothing"), {}), std::exception);
  EXPECT_THROW(find_input_files(files.path("a/picture.png"), {}), std::exception);
}

TEST(InputFiles, DamagedListsAndTables) {
  const TestFiles files;
  EXPECT_EQ(read_lines(files.write("a.csv", "t\n\"open\n")).problems.size(), 1u);
  EXPECT_EQ(read_lines(files.write("a.json", "[{\"a\":1},\n")).problems.size(), 1u);
  EXPECT_THAT(read_lines(files.write("b.json", "[{\"a\":1}, {\"b\"")).lines, ElementsAre(R"(1 {"a":1})", R"(2 {"b")"));
}

}  // namespace
}  // namespace pelton::data
