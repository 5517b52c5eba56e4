#include "io/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/golden_dir.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"

namespace pelton {
namespace {

std::string text_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.size_bytes())};
}

std::span<const std::byte> bytes_of_text(std::string_view text) { return std::as_bytes(std::span(text)); }

TensorEntry entry(std::string name, ElementType type, Shape shape) { return {std::move(name), type, shape}; }

// --- the file of Python's writer, written again ---

// Every type of metadata, an alignment of its own, tensors of three dimensions and of blocks: what the package `gguf`
// wrote comes out of our writer byte for byte, values copied as they lie in the file.
TEST(GgufWriter, CopiesAFileOfPythonsWriterByteForByte) {
  const std::string path = std::string(kGoldenDir) + "/io/small.gguf";
  const auto file = GgufFile::open(path);
  ASSERT_EQ(file->alignment(), 64u);
  GgufMetadata metadata;
  for (const GgufEncodedPair& pair : file->encoded_metadata()) {
    if (pair.key != "general.alignment") metadata.add_encoded(pair.key, pair.value);
  }
  const TestFolder folder;
  GgufWriter writer(folder.path() / "copy.gguf", metadata, file->entries(), file->alignment());
  for (const TensorEntry& tensor : file->entries()) writer.append(bytes_of_text(text_of(*file->find(tensor.name))));
  EXPECT_EQ(writer.read_back()->metadata(), file->metadata());
  const uint64_t expected_bytes = writer.file_bytes();
  writer.commit();

  const std::string copy = read_file(folder.path() / "copy.gguf", 1 << 20);
  EXPECT_EQ(copy.size(), expected_bytes);
  // The alignment is the one pair that our writer puts first, Python's where it was set.
  const std::string original = read_file(path, 1 << 20);
  ASSERT_EQ(copy.size(), original.size());
  const auto again = GgufFile::open(folder.path() / "copy.gguf");
  EXPECT_EQ(again->metadata(), file->metadata());
  ASSERT_EQ(again->entries().size(), file->entries().size());
  for (size_t i = 0; i < file->entries().size(); ++i) {
    const TensorEntry& tensor = file->entries()[i];
    EXPECT_EQ(again->entries()[i].name, tensor.name);
    EXPECT_EQ(again->entries()[i].shape, tensor.shape);
    EXPECT_EQ(text_of(*again->find(tensor.name)), text_of(*file->find(tensor.name)));
  }
}

// The same pairs given as C++ values have the same bytes as Python's.
TEST(GgufMetadata, SpellsEachTypeAsPythonsWriterDoes) {
  GgufMetadata metadata;
  metadata.add("test.u8", uint8_t{200});
  metadata.add("test.i8", int8_t{-100});
  metadata.add("test.u16", uint16_t{60000});
  metadata.add("test.i16", int16_t{-30000});
  metadata.add("test.u32", uint32_t{4'000'000'000});
  metadata.add("test.i32", int32_t{-2'000'000'000});
  metadata.add("test.u64", std::numeric_limits<uint64_t>::max());
  metadata.add("test.i64", std::numeric_limits<int64_t>::min());
  metadata.add("test.f32", 0.1f);
  metadata.add("test.f64", 0.1);
  metadata.add("test.bool", true);
  metadata.add("test.string", "Grüße, 世界");
  metadata.add("test.strings", std::vector<std::string>{"", "a", "Ġb", "▁c"});
  metadata.add("test.integers", std::vector<int32_t>{1, -2, 3});
  metadata.add("test.floats", std::vector<float>{0.5f, -1.5f});
  metadata.add("test.bools", std::vector<bool>{true, false, true});

  const auto file = GgufFile::open(std::string(kGoldenDir) + "/io/small.gguf");
  GgufMetadata copied;
  for (const GgufEncodedPair& pair : file->encoded_metadata()) {
    if (pair.key.starts_with("test.")) copied.add_encoded(pair.key, pair.value);
  }
  EXPECT_EQ(metadata.bytes(), copied.bytes());
  EXPECT_EQ(metadata.size(), 16u);
  EXPECT_TRUE(metadata.contains("test.u8"));
  EXPECT_FALSE(metadata.contains("test"));
}

TEST(GgufMetadataDeathTest, KeysAreOursAndOnlyOnce) {
  GgufMetadata metadata;
  metadata.add("a", true);
  EXPECT_DEATH(metadata.add("a", false), "bug");
  EXPECT_DEATH(metadata.add("", false), "bug");
  EXPECT_DEATH(metadata.add("\n", false), "bug");
}

// --- data in pieces ---

TEST(GgufWriter, TakesATensorInPieces) {
  const TestFolder folder;
  GgufMetadata metadata;
  metadata.add("general.architecture", "llama");
  GgufWriter writer(folder.path() / "m.gguf", metadata,
                    {entry("one", ElementType::kF32, {3}), entry("two", ElementType::kQ8_0, {2, 32})});
  writer.append(bytes_of_text("0123"));
  writer.append({});
  writer.append(bytes_of_text("456789ab"));
  writer.append(bytes_of_text(std::string(34, 'x')));
  EXPECT_EQ(folder.file_count(), 1u);  // the temporary one
  writer.append(bytes_of_text(std::string(34, 'y')));
  writer.commit();
  EXPECT_EQ(folder.file_count(), 1u);
  const auto file = GgufFile::open(folder.path() / "m.gguf");
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(std::filesystem::file_size(folder.path() / "m.gguf"), writer.file_bytes());
  EXPECT_EQ(text_of(*file->find("one")), "0123456789ab");
  EXPECT_EQ(text_of(*file->find("two")), std::string(34, 'x') + std::string(34, 'y'));
  EXPECT_EQ(file->find("two")->shape(), (Shape{2, 32}));
}

TEST(GgufWriter, NothingIsLeftOfAFileThatWasNotCommitted) {
  const TestFolder folder;
  {
    GgufWriter writer(folder.path() / "m.gguf", {}, {entry("one", ElementType::kF32, {1})});
    writer.append(bytes_of_text("0123"));
  }
  EXPECT_EQ(folder.file_count(), 0u);
}

TEST(GgufWriter, AFileMayHaveNoTensors) {
  const TestFolder folder;
  GgufMetadata metadata;
  metadata.add("general.architecture", "llama");
  GgufWriter writer(folder.path() / "m.gguf", metadata, {});
  writer.commit();
  EXPECT_EQ(GgufFile::open(folder.path() / "m.gguf")->string("general.architecture"), "llama");
}

TEST(GgufWriterDeathTest, CountsItsBytes) {
  const TestFolder folder;
  GgufWriter writer(folder.path() / "m.gguf", {}, {entry("one", ElementType::kF32, {1})});
  EXPECT_DEATH(writer.append(bytes_of_text("01234")), "bug");
  EXPECT_DEATH(writer.commit(), "bug");
  EXPECT_DEATH(writer.read_back(), "bug");
}

TEST(GgufWriter, RefusesWhatTheFormatCannotHold) {
  const TestFolder folder;
  const auto refuses = [&](const std::vector<TensorEntry>& tensors, std::string_view reason) {
    expect_error([&] { GgufWriter(folder.path() / "m.gguf", {}, tensors); }, ErrorCode::kInvalidArgument,
                 {"m.gguf", std::string(reason)});
    EXPECT_EQ(folder.file_count(), 0u);
  };
  refuses({entry("", ElementType::kF32, {1})}, "name");
  refuses({entry("a\n", ElementType::kF32, {1})}, "name");
  refuses({entry("a", ElementType::kF32, {1}), entry("a", ElementType::kF32, {1})}, "twice");
  refuses({entry("a", ElementType::kF32, {})}, "without dimensions");
  refuses({entry("a", ElementType::kF32, {2, 0})}, "dimension of 0");
  refuses({entry("a", ElementType::kQ4_0, {2, 33})}, "blocks");
  refuses({entry("a", ElementType::kF32, {int64_t{1} << 62, 8})}, "overflows");
  expect_error([&] { GgufWriter(folder.path() / "missing/m.gguf", {}, {}); }, ErrorCode::kIo, {"missing/m.gguf"});
}

}  // namespace
}  // namespace pelton
