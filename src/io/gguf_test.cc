#include "io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/gguf_part_name.h"
#include "io/gguf_test_writer.h"

namespace pelton {
namespace {

using testing::ElementsAre;

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::shared_ptr<const GgufFile> parse(std::string_view bytes) { return GgufFile::parse(as_bytes(bytes), "test.gguf"); }

void expect_corrupt(const std::string& bytes, const std::vector<std::string>& parts) {
  expect_error([&] { parse(bytes); }, ErrorCode::kCorruptFile, parts);
  expect_error([&] { parse(bytes); }, ErrorCode::kCorruptFile, {"test.gguf"});
}

void expect_unsupported(const std::string& bytes, const std::vector<std::string>& parts) {
  expect_error([&] { parse(bytes); }, ErrorCode::kUnsupported, parts);
}

constexpr uint32_t kF32 = 0;
const std::string kFourFloats(16, '\1');

std::string small_file() {
  GgufTestWriter writer;
  writer.u32("a.number", 7).strings("a.list", {"x", "yz"}).boolean("a.flag", true).f32s("a.floats", {1.0f, 2.0f});
  writer.tensor("one", ElementType::kF32, {2, 2}, kFourFloats);
  writer.tensor("two", ElementType::kQ8_0, {1, 32}, std::string(34, '\2'));
  return writer.bytes();
}

// --- right files ---

TEST(Gguf, ReadsWhatPythonWrote) {
  const auto file = GgufFile::open(std::string(kGoldenDir) + "/io/small.gguf");
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->string("general.architecture"), "llama");
  EXPECT_EQ(file->integer("test.u8"), 200);
  EXPECT_EQ(file->integer("test.i8"), -100);
  EXPECT_EQ(file->integer("test.u16"), 60000);
  EXPECT_EQ(file->integer("test.i16"), -30000);
  EXPECT_EQ(file->integer("test.u32"), 4'000'000'000);
  EXPECT_EQ(file->integer("test.i32"), -2'000'000'000);
  EXPECT_EQ(std::get<uint64_t>(file->metadata().at("test.u64")), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(file->integer("test.i64"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(file->number("test.f32"), double{0.1f});
  EXPECT_EQ(file->number("test.f64"), 0.1);
  EXPECT_EQ(file->boolean("test.bool"), true);
  EXPECT_EQ(file->string("test.string"), "Grüße, 世界");
  EXPECT_THAT(*file->strings("test.strings"), ElementsAre("", "a", "Ġb", "▁c"));
  EXPECT_THAT(*file->integers("test.integers"), ElementsAre(1, -2, 3));
  EXPECT_THAT(*file->numbers("test.integers"), ElementsAre(1.0, -2.0, 3.0));
  EXPECT_THAT(*file->numbers("test.floats"), ElementsAre(0.5, -1.5));
  EXPECT_THAT(std::get<std::vector<bool>>(file->metadata().at("test.bools")), ElementsAre(true, false, true));

  ASSERT_EQ(file->entries().size(), 2u);
  EXPECT_EQ(file->entries()[0].name, "plain");
  const Tensor plain = file->find("plain").value();
  EXPECT_EQ(plain.shape(), (Shape{2, 3, 5}));
  for (int i = 0; i < 30; ++i) EXPECT_EQ(plain.floats()[i], static_cast<float>(i));
  const Tensor blocks = file->find("blocks").value();
  EXPECT_EQ(blocks.type(), ElementType::kQ8_0);
  EXPECT_EQ(blocks.shape(), (Shape{3, 64}));
  EXPECT_EQ(static_cast<int8_t>(blocks.data()[2]), -127);  // the first code of a row that begins at its extreme
  EXPECT_FALSE(file->find("absent").has_value());
}

TEST(Gguf, TensorsOutliveTheFileObject) {
  std::optional<Tensor> tensor = GgufFile::open(std::string(kGoldenDir) + "/io/small.gguf")->find("plain");
  EXPECT_EQ(tensor->floats()[29], 29.0f);
}

TEST(Gguf, ReadsVersion2AndFilesWithoutTensors) {
  EXPECT_EQ(parse(GgufTestWriter({.version = 2}).u32("a", 1).bytes())->integer("a"), 1);
  EXPECT_TRUE(parse(GgufTestWriter().bytes())->entries().empty());
}

TEST(Gguf, KeepsTheOrderOfTheFile) {
  GgufTestWriter writer;
  writer.tensor("z", ElementType::kF32, {4}, kFourFloats).tensor("a", ElementType::kF32, {4}, kFourFloats);
  const std::string bytes = writer.bytes();
  const auto file = parse(bytes);
  EXPECT_EQ(file->entries()[0].name, "z");
  EXPECT_EQ(file->entries()[1].name, "a");
}

TEST(Gguf, TensorsMayLieInAnyOrderAndWithGaps) {
  GgufTestWriter writer;
  writer.raw_tensor("second", kF32, {4}, 128, kFourFloats).raw_tensor("first", kF32, {4}, 0, std::string(256, '\3'));
  const std::string bytes = writer.bytes();
  EXPECT_EQ(parse(bytes)->find("second")->data() - parse(bytes)->find("first")->data(), 128);
}

TEST(Gguf, HonoursTheAlignmentKey) {
  for (const uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufTestWriter writer({.alignment = alignment});
    writer.u32("general.alignment", alignment);
    writer.tensor("a", ElementType::kI8, {3}, "abc").tensor("b", ElementType::kI8, {2}, "de");
    const std::string bytes = writer.bytes();
    EXPECT_EQ(static_cast<char>(parse(bytes)->find("b")->data()[1]), 'e') << alignment;
  }
}

TEST(Gguf, AbsentMetadataIsNormal) {
  const std::string bytes = small_file();
  const auto file = parse(bytes);
  EXPECT_EQ(file->integer("absent"), std::nullopt);
  EXPECT_EQ(file->number("absent"), std::nullopt);
  EXPECT_EQ(file->boolean("absent"), std::nullopt);
  EXPECT_EQ(file->string("absent"), std::nullopt);
  EXPECT_EQ(file->strings("absent"), nullptr);
  EXPECT_EQ(file->numbers("absent"), std::nullopt);
  EXPECT_EQ(file->integers("absent"), std::nullopt);
}

TEST(Gguf, MetadataOfAnotherTypeIsAnError) {
  GgufTestWriter writer;
  writer.u64("big", uint64_t{1} << 63).f32("nan", std::numeric_limits<float>::quiet_NaN()).string("text", "5");
  const std::string bytes = writer.bytes();
  const auto file = parse(bytes);
  const auto corrupt = [](auto action, const std::vector<std::string>& parts) {
    expect_error(action, ErrorCode::kCorruptFile, parts);
  };
  corrupt([&] { file->integer("big"); }, {"test.gguf", "\"big\"", "below 2^63"});
  corrupt([&] { file->integer("text"); }, {"\"text\"", "an integer", "got a string"});
  corrupt([&] { file->number("nan"); }, {"\"nan\"", "finite"});
  corrupt([&] { file->boolean("text"); }, {"a bool"});
  corrupt([&] { file->string("nan"); }, {"a string", "got a number"});
  corrupt([&] { file->strings("text"); }, {"an array of strings"});
  corrupt([&] { file->numbers("text"); }, {"an array of numbers"});
  corrupt([&] { file->integers("big"); }, {"an array of integers"});
}

// --- wrong files ---

TEST(GgufHostile, NoGgufAtAll) {
  expect_corrupt("", {"truncated"});
  expect_corrupt("GG", {"truncated"});
  expect_corrupt("PK\3\4 and so on, which is no model", {"not a GGUF file", "\\x03"});
  expect_corrupt(GgufTestWriter({.magic = "GGML"}).bytes(), {"not a GGUF file", "GGML"});
}

TEST(GgufHostile, OtherVersions) {
  expect_unsupported(GgufTestWriter({.version = 1}).bytes(), {"GGUF version 1", "2 and 3"});
  expect_unsupported(GgufTestWriter({.version = 4}).bytes(), {"GGUF version 4"});
  expect_unsupported(GgufTestWriter({.version = 0}).bytes(), {"GGUF version 0"});
  expect_unsupported(GgufTestWriter({.version = 0x03000000}).bytes(), {"big-endian"});
}

TEST(GgufHostile, AbsurdCounts) {
  for (const int64_t extra : {int64_t{1} << 60, int64_t{-1}, int64_t{1} << 20}) {
    expect_corrupt(GgufTestWriter({.extra_tensor_count = extra}).bytes(), {"tensors do not fit"});
    expect_corrupt(GgufTestWriter({.extra_pair_count = extra}).bytes(), {"metadata pairs do not fit"});
  }
}

TEST(GgufHostile, AbsurdLengths) {
  std::string bytes = GgufTestWriter().string("key", "value").bytes();
  const size_t value_length = bytes.size() - 5 - 8;
  for (const uint64_t length : {uint64_t{6}, uint64_t{1} << 60, ~uint64_t{0}}) {
    std::memcpy(bytes.data() + value_length, &length, sizeof(length));
    expect_corrupt(bytes, {"key", std::to_string(length) + " bytes needed", "5 left"});
  }
  for (const uint32_t type : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 10u, 11u, 12u}) {
    std::string array = GgufTestWriter().array<uint8_t>("key", type, {}).bytes();
    const uint64_t count = uint64_t{1} << 60;
    std::memcpy(array.data() + array.size() - 8, &count, sizeof(count));
    expect_corrupt(array, {"\"key\"", "array of 1152921504606846976 elements does not fit"});
  }
}

TEST(GgufHostile, Names) {
  expect_corrupt(GgufTestWriter().u32("", 1).bytes(), {"a metadata key", "is empty"});
  expect_corrupt(GgufTestWriter().u32("a\nb", 1).bytes(), {"a\\x0ab", "not printable"});
  expect_corrupt(GgufTestWriter().u32("a", 1).u32("a", 1).bytes(), {"\"a\" is there twice"});
  expect_corrupt(GgufTestWriter().tensor("", ElementType::kF32, {4}, kFourFloats).bytes(),
                 {"a tensor's name", "is empty"});
  expect_corrupt(GgufTestWriter().tensor("\xff", ElementType::kF32, {4}, kFourFloats).bytes(), {"\\xff"});
  GgufTestWriter twice;
  twice.tensor("w", ElementType::kF32, {4}, kFourFloats).tensor("w", ElementType::kF32, {4}, kFourFloats);
  expect_corrupt(twice.bytes(), {"tensor \"w\" is there twice"});
}

TEST(GgufHostile, LongNamesAreCutInMessages) {
  const std::string name(10'000, 'n');
  try {
    parse(GgufTestWriter().raw_tensor(name, kF32, {0}, 0, "").bytes());
    FAIL() << "a dimension of 0 was accepted";
  } catch (const Error& error) {
    EXPECT_LT(error.message().size(), 300u);
  }
}

TEST(GgufHostile, Values) {
  expect_corrupt(GgufTestWriter().pair<uint8_t>("k", 13, 0).bytes(), {"\"k\"", "unknown value type 13"});
  expect_corrupt(GgufTestWriter().pair<uint8_t>("k", 7, 2).bytes(), {"\"k\"", "bool", "got 2"});
  expect_corrupt(GgufTestWriter().array<uint8_t>("k", 7, {1, 3}).bytes(), {"\"k\"", "bool", "got 3"});
  expect_corrupt(GgufTestWriter().array<uint8_t>("k", 99, {1}).bytes(), {"\"k\"", "unknown type 99"});
  expect_corrupt(GgufTestWriter().array<uint64_t>("k", 10, {uint64_t{1} << 63}).bytes(), {"\"k\"", "out of range"});
  expect_unsupported(GgufTestWriter().array<uint64_t>("k", 9, {0, 0}).bytes(), {"\"k\"", "arrays of arrays"});
}

TEST(GgufHostile, Alignments) {
  for (const uint32_t alignment : {0u, 3u, 48u, 1u << 21, 0xFFFFFFFFu}) {
    expect_corrupt(GgufTestWriter().u32("general.alignment", alignment).bytes(),
                   {"general.alignment", "power of two", "got " + std::to_string(alignment)});
  }
  expect_corrupt(GgufTestWriter().i32("general.alignment", -32).bytes(), {"power of two", "got -32"});
  expect_corrupt(GgufTestWriter().string("general.alignment", "32").bytes(), {"general.alignment", "integer"});
}

TEST(GgufHostile, Shapes) {
  const auto with = [](const std::vector<int64_t>& sizes, uint32_t type = kF32) {
    return GgufTestWriter().raw_tensor("w", type, sizes, 0, kFourFloats).bytes();
  };
  expect_corrupt(with({}), {"tensor \"w\"", "1 to 4 dimensions, got 0"});
  expect_corrupt(with({1, 1, 1, 1, 4}), {"tensor \"w\"", "1 to 4 dimensions, got 5"});
  expect_corrupt(with({4, 0}), {"tensor \"w\"", "dimension of 0"});
  expect_corrupt(with({-4}), {"tensor \"w\"", "dimension of -4"});
  expect_corrupt(with({int64_t{1} << 32, int64_t{1} << 32}), {"tensor \"w\"", "overflows"});
  expect_corrupt(with({int64_t{1} << 62}), {"tensor \"w\"", "overflows"});
  expect_corrupt(with({int64_t{1} << 60}), {"tensor \"w\"", "do not fit"});
  expect_corrupt(with({33}, 8), {"tensor \"w\"", "rows of 33", "q8_0 blocks of 32"});
}

TEST(GgufHostile, ElementTypes) {
  for (const auto& [type, name] : {std::pair{16u, "iq2_xxs"}, std::pair{22u, "iq2_s"}, std::pair{4u, "unknown"},
                                   std::pair{0xFFFFFFFFu, "unknown"}}) {
    expect_unsupported(GgufTestWriter().raw_tensor("blk.0.w", type, {256}, 0, kFourFloats).bytes(),
                       {"test.gguf", "tensor \"blk.0.w\"", "element type " + std::to_string(type), name});
  }
}

TEST(GgufHostile, Offsets) {
  const auto at = [](uint64_t offset) {
    return GgufTestWriter().raw_tensor("w", kF32, {4}, offset, kFourFloats).bytes();
  };
  expect_corrupt(at(16), {"tensor \"w\"", "offset 16", "alignment 32"});
  expect_corrupt(at(32), {"tensor \"w\"", "16 bytes from offset 32", "16 bytes of data", "truncated"});
  expect_corrupt(at(~uint64_t{31}), {"tensor \"w\"", "do not fit"});
  GgufTestWriter same;
  same.raw_tensor("v", kF32, {4}, 0, kFourFloats).raw_tensor("w", kF32, {4}, 0, kFourFloats);
  expect_corrupt(same.bytes(), {"\"v\" and \"w\" overlap"});
  GgufTestWriter partly;
  partly.raw_tensor("v", kF32, {12}, 0, kFourFloats).raw_tensor("w", kF32, {4}, 32, kFourFloats);
  expect_corrupt(partly.bytes(), {"\"v\" and \"w\" overlap"});
}

// Touches what a reader would, so that the sanitizers see every byte that the file claims to have.
int64_t read_everything(const TensorSource& source) {
  int64_t sum = 0;
  for (const TensorEntry& entry : source.entries()) {
    const Tensor tensor = source.find(entry.name).value();
    for (int64_t i = 0; i < tensor.size_bytes(); ++i) sum += static_cast<int64_t>(tensor.data()[i]);
  }
  return sum;
}

TEST(GgufHostile, EveryTruncationIsAnError) {
  const std::string whole = small_file();
  ASSERT_NO_THROW(parse(whole));
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));  // no slack behind it
    EXPECT_THROW(parse({cut.data(), cut.size()}), Error) << length;
  }
}

TEST(GgufHostile, EveryFlippedByteIsReadOrRefused) {
  const std::string whole = small_file();
  size_t refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x10, 0x80, 0xFF}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      try {
        read_everything(*parse(bytes));
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, whole.size());
}

// --- files ---

TEST(GgufFile, MissingOrNoFile) {
  const TestFolder folder;
  expect_error([&] { GgufFile::open(folder.path() / "absent.gguf"); }, ErrorCode::kNotFound, {"absent.gguf"});
  expect_error([&] { GgufFile::open(folder.path()); }, ErrorCode::kIo, {folder.path().string()});
  const auto empty = folder.write("empty.gguf", "");
  expect_error([&] { GgufFile::open(empty); }, ErrorCode::kCorruptFile, {"empty.gguf"});
}

// A sparse file can claim terabytes; the header's own limit bounds what is allocated.
TEST(GgufFile, HugeSparseFilesAllocateLittle) {
  const TestFolder folder;
  std::string bytes = GgufTestWriter().array<uint8_t>("k", 0, {}).bytes();
  const uint64_t count = uint64_t{1} << 38;
  std::memcpy(bytes.data() + bytes.size() - 8, &count, sizeof(count));
  const auto path = folder.write("sparse.gguf", bytes);
  std::error_code failed;
  std::filesystem::resize_file(path, uint64_t{1} << 39, failed);  // ThreadSanitizer leaves room for about twice that
  if (failed) GTEST_SKIP() << "the file system has no files of half a terabyte: " << failed.message();
  expect_error([&] { GgufFile::open(path); }, ErrorCode::kCorruptFile, {"\"k\"", "does not fit"});
}

TEST(GgufFile, ReadsTheDemoModel) {
  const char* named = std::getenv("PELTON_DEMO_MODEL");
  const std::filesystem::path path =
      named != nullptr ? std::filesystem::path(named) : cache_folder() / "models/smollm2-135m-instruct-q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs the demo model: run scripts/fetch-demo-model";
  const auto file = GgufFile::open(path);
  EXPECT_EQ(file->strings("tokenizer.ggml.tokens")->size(), 49152u);
  EXPECT_EQ(file->strings("tokenizer.ggml.merges")->size(), 48900u);
  EXPECT_EQ(file->entries().size(), 272u);
  EXPECT_EQ(file->find("token_embd.weight")->shape(), (Shape{49152, 576}));
}

// --- split models ---

TEST(GgufPartName, IsReadAndWritten) {
  const auto name = parse_gguf_part_name("dir/big-q4-00002-of-00013.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->stem, "dir/big-q4");
  EXPECT_EQ(name->number, 2);
  EXPECT_EQ(name->count, 13);
  EXPECT_EQ(to_string(*name), "dir/big-q4-00002-of-00013.gguf");
  for (const char* whole : {"big.gguf", "big-0002-of-00013.gguf", "00002-of-00013.gguf", "big-00002-of-00013.bin",
                            "big-00002-0f-00013.gguf", "big-0000x-of-00013.gguf", ""}) {
    EXPECT_FALSE(parse_gguf_part_name(whole)) << whole;
  }
}

// Part `number` (from 0) of `count`, with one tensor.
std::string part(uint32_t number, uint32_t count, uint32_t tensor_count, const std::string& tensor,
                 const std::string& note = "") {
  GgufTestWriter writer;
  if (number == 0) writer.u32("a.number", 7);
  if (!note.empty()) writer.string("a.note", note);
  writer.u32("split.no", number).u32("split.count", count).u32("split.tensors.count", tensor_count);
  writer.tensor(tensor, ElementType::kF32, {2, 2}, std::string(16, static_cast<char>(number + 1)));
  return writer.bytes();
}

class GgufParts : public testing::Test {
 protected:
  void write(int number, int count, const std::string& bytes) {
    folder_.write(to_string(GgufPartName{"m", number, count}), bytes);
  }
  std::shared_ptr<const GgufFile> open(int number, int count) {
    return GgufFile::open(folder_.path() / to_string(GgufPartName{"m", number, count}));
  }
  void expect_corrupt_at(int number, int count, const std::vector<std::string>& parts) {
    expect_error([&] { open(number, count); }, ErrorCode::kCorruptFile, parts);
  }

  TestFolder folder_;
};

TEST_F(GgufParts, AnyOneOpensAll) {
  for (uint32_t number : {0u, 1u, 2u}) {
    write(static_cast<int>(number) + 1, 3, part(number, 3, 3, "t" + std::to_string(number)));
  }
  for (int number : {1, 2, 3}) {
    const auto file = open(number, 3);
    EXPECT_EQ(file->part_count(), 3);
    EXPECT_EQ(gguf_format_name(*file), "GGUF 3 in 3 parts");
    EXPECT_EQ(file->integer("a.number"), 7);
    ASSERT_EQ(file->entries().size(), 3u);
    for (int i : {0, 1, 2}) {
      const auto tensor = file->find("t" + std::to_string(i));
      ASSERT_TRUE(tensor);
      EXPECT_EQ(static_cast<int>(tensor->data()[15]), i + 1);
    }
    EXPECT_EQ(file->encoded_metadata().front().key, "a.number");
  }
  EXPECT_EQ(GgufFile::open_part(folder_.path() / "m-00002-of-00003.gguf")->entries().size(), 1u);
}

// Tensors and metadata outlive the part that they lie in.
TEST_F(GgufParts, KeepEachOtherMapped) {
  write(1, 2, part(0, 2, 2, "a"));
  write(2, 2, part(1, 2, 2, "b"));
  std::optional<Tensor> tensor = open(1, 2)->find("b");
  EXPECT_EQ(static_cast<int>(tensor->data()[0]), 2);
}

TEST_F(GgufParts, ThatAreMissingAreNamed) {
  write(1, 3, part(0, 3, 3, "a"));
  write(3, 3, part(2, 3, 3, "c"));
  expect_error([&] { open(3, 3); }, ErrorCode::kNotFound, {"m-00003-of-00003", "part 2 of the 3", "m-00002-of-00003"});
}

TEST_F(GgufParts, ThatDoNotFitAreRefused) {
  write(1, 2, part(0, 2, 2, "a"));
  write(2, 2, part(0, 2, 2, "b"));
  expect_corrupt_at(1, 2, {"m-00002-of-00002", "split.no is 0", "expected 1"});
  write(2, 2, part(1, 3, 2, "b"));
  expect_corrupt_at(1, 2, {"m-00002-of-00002", "split.count is 3", "expected 2"});
  write(2, 2, part(1, 2, 2, "a"));
  expect_corrupt_at(1, 2, {"\"a\"", "another part"});
  write(2, 2, part(1, 2, 2, "b", "new"));
  expect_corrupt_at(1, 2, {"a.note", "is not in the model's first part"});
  write(1, 2, part(0, 2, 2, "a", "old"));
  expect_corrupt_at(1, 2, {"a.note", "another value"});
  write(1, 2, part(0, 2, 5, "a"));
  write(2, 2, part(1, 2, 5, "b"));
  expect_corrupt_at(1, 2, {"split.tensors.count is 5", "expected 2"});
  write(2, 2, "GGUF");
  expect_corrupt_at(1, 2, {"m-00002-of-00002", "truncated"});
}

TEST_F(GgufParts, NeedTheirNames) {
  folder_.write("m.gguf", part(0, 2, 2, "a"));
  expect_error([&] { GgufFile::open(folder_.path() / "m.gguf"); }, ErrorCode::kCorruptFile,
               {"m.gguf", "2 parts", "-00001-of-00002.gguf"});
  write(1, 3, part(0, 2, 2, "a"));
  expect_corrupt_at(1, 3, {"2 parts"});
  write(1, 2, part(1, 2, 2, "a"));
  write(2, 2, part(0, 2, 2, "b"));
  expect_corrupt_at(2, 2, {"m-00001-of-00002", "split.no is 1"});
  write(1, 1, part(0, 1, 1, "a"));
  EXPECT_EQ(open(1, 1)->part_count(), 1);
}

}  // namespace
}  // namespace pelton
