#include "hub/partial_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_folder.h"
#include "io/path_exists.h"

namespace pelton {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

class PartialFileTest : public testing::Test {
 protected:
  PartialFile::Options options(int64_t size_bytes = 10, std::string identity = "etag") const {
    return {folder_.path() / "x.incomplete", folder_.path() / "x.ranges", size_bytes, std::move(identity)};
  }
  void receive(PartialFile& file, int64_t offset, std::string_view text) const {
    file.write(offset, bytes_of(text));
    file.record({offset, offset + static_cast<int64_t>(text.size())});
  }
  TestFolder folder_;
};

TEST_F(PartialFileTest, ComesTogetherInAnyOrder) {
  PartialFile file(options());
  EXPECT_THAT(file.missing(), ElementsAre(ByteRange{0, 10}));
  receive(file, 6, "6789");
  receive(file, 0, "012345");
  EXPECT_THAT(file.missing(), IsEmpty());
  file.finish(folder_.path() / "x");
  EXPECT_EQ(read_file(folder_.path() / "x", 100), "0123456789");
  EXPECT_EQ(folder_.file_count(), 1u);
}

TEST_F(PartialFileTest, GoesOnWhereItWas) {
  {
    PartialFile file(options());
    receive(file, 2, "23");
    receive(file, 6, "678");
    file.write(0, bytes_of("0"));  // written and not journalled: as if killed in between
  }
  PartialFile file(options());
  EXPECT_EQ(file.received_bytes(), 5);
  EXPECT_THAT(file.missing(), ElementsAre(ByteRange{0, 2}, ByteRange{4, 6}, ByteRange{9, 10}));
  receive(file, 0, "01");
  receive(file, 4, "45");
  receive(file, 9, "9");
  file.finish(folder_.path() / "x");
  EXPECT_EQ(read_file(folder_.path() / "x", 100), "0123456789");
}

TEST_F(PartialFileTest, StartsAgainForAnotherFile) {
  {
    PartialFile file(options());
    receive(file, 0, "0123");
  }
  EXPECT_EQ(PartialFile(options(11)).received_bytes(), 0);
  {
    PartialFile file(options());
    receive(file, 0, "0123");
  }
  EXPECT_EQ(PartialFile(options(10, "other")).received_bytes(), 0);
}

TEST_F(PartialFileTest, DoesNotTrustABrokenJournal) {
  const std::string header = "pelton-ranges 1 10 etag\n";
  folder_.write("x.incomplete", "012345");
  for (const char* lines :
       {"0 4", "x\n", "0\n", "0 4 \n", "-1 4\n", "4 0\n", "0 11\n", "0 7\n", " 0 4\n", "0 99999999999999999999\n"}) {
    folder_.write("x.incomplete", "012345");
    folder_.write("x.ranges", header + lines);
    EXPECT_EQ(PartialFile(options()).received_bytes(), 0) << lines;
  }
  folder_.write("x.incomplete", "012345");
  folder_.write("x.ranges", header + "0 4\n4 6");  // the last line was cut
  EXPECT_EQ(PartialFile(options()).received_bytes(), 4);
  folder_.write("x.ranges", "0 4\n");
  EXPECT_EQ(PartialFile(options()).received_bytes(), 0);
}

TEST_F(PartialFileTest, RestartsAndDiscards) {
  PartialFile file(options());
  receive(file, 0, "0123");
  file.restart();
  EXPECT_EQ(file.received_bytes(), 0);
  EXPECT_EQ(PartialFile(options()).received_bytes(), 0);
  file.discard();
  EXPECT_EQ(folder_.file_count(), 0u);
}

TEST_F(PartialFileTest, TakesOverWhatAnotherProgramBegan) {
  const auto prefix = folder_.write("etag.incomplete", "0123");
  PartialFile::adopt_prefix(options(), prefix);
  EXPECT_FALSE(path_exists(prefix));
  EXPECT_THAT(PartialFile(options()).missing(), ElementsAre(ByteRange{4, 10}));
  // Not over what we have.
  folder_.write("etag.incomplete", "01");
  PartialFile::adopt_prefix(options(), prefix);
  EXPECT_EQ(PartialFile(options()).received_bytes(), 4);
}

TEST_F(PartialFileTest, DoesNotTakeOverWhatIsTooLong) {
  const auto prefix = folder_.write("etag.incomplete", "0123456789ABC");
  PartialFile::adopt_prefix(options(), prefix);
  EXPECT_EQ(PartialFile(options()).received_bytes(), 0);
  PartialFile::adopt_prefix(options(), folder_.path() / "no such");
}

}  // namespace
}  // namespace pelton
