#include "io/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"

namespace pelton {
namespace {

// A file with this header and `data_bytes` of data.
std::string file_of(std::string_view header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof(length));
  return file + std::string(header) + std::string(data_bytes, '\1');
}

std::shared_ptr<const SafetensorsFile> parse(std::string_view bytes) {
  return SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "test.safetensors");
}

void expect_corrupt(const std::string& bytes, const std::vector<std::string>& parts) {
  expect_error([&] { parse(bytes); }, ErrorCode::kCorruptFile, parts);
  expect_error([&] { parse(bytes); }, ErrorCode::kCorruptFile, {"test.safetensors"});
}

// One tensor "w" with this description.
void expect_corrupt_tensor(std::string_view description, const std::vector<std::string>& parts) {
  const std::string bytes = file_of(fmt::format(R"({{"w": {}}})", description), 16);
  expect_corrupt(bytes, parts);
  expect_corrupt(bytes, {"tensor \"w\""});
}

Tensor tensor_of(std::vector<float> values, Shape shape) {
  Tensor tensor = Tensor::f32(shape);
  std::copy(values.begin(), values.end(), tensor.mutable_floats());
  return tensor;
}

std::string bytes_of_tensor(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data()), static_cast<size_t>(tensor.size_bytes())};
}

std::string small_file() {
  return file_of(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},)"
                 R"("a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}} )",
                 12);
}

// --- right files ---

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  const std::string bytes = small_file();
  const auto file = parse(bytes);
  ASSERT_EQ(file->entries().size(), 2u);
  EXPECT_EQ(file->entries()[0].name, "a");
  EXPECT_EQ(file->entries()[0].type, ElementType::kBF16);
  EXPECT_EQ(file->entries()[1].shape, (Shape{2, 1}));
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->find("b")->data() - file->find("a")->data(), 4);
  EXPECT_FALSE(file->find("__metadata__").has_value());
}

TEST(Safetensors, ScalarsAndEmptyTensorsAreLegal) {
  const std::string bytes = file_of(R"({"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                                    R"("s":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                                    R"("z":{"dtype":"F32","shape":[3,0],"data_offsets":[8,8]}})",
                                    8);
  const auto file = parse(bytes);
  EXPECT_EQ(file->find("s")->shape().rank(), 0);
  EXPECT_EQ(file->find("s")->size_bytes(), 8);
  EXPECT_EQ(file->find("e")->size_bytes(), 0);
  EXPECT_EQ(file->find("z")->shape(), (Shape{3, 0}));
}

TEST(Safetensors, NoTensorsAreLegal) { EXPECT_TRUE(parse(file_of("{}", 0))->entries().empty()); }

TEST(Safetensors, DataMayBeUnaligned) {
  const std::string bytes = file_of(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},)"
                                    R"("a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
                                    5);
  EXPECT_EQ(parse(bytes)->find("w")->size_bytes(), 4);
}

// --- wrong files ---

TEST(SafetensorsHostile, Lengths) {
  expect_corrupt("", {"0 bytes are too few"});
  expect_corrupt("1234567", {"7 bytes are too few"});
  std::string bytes = small_file();
  for (const uint64_t length : {uint64_t{1} << 60, ~uint64_t{0}, uint64_t{100'000'001}}) {
    std::memcpy(bytes.data(), &length, sizeof(length));
    expect_corrupt(bytes, {"at most 100000000 bytes", std::to_string(length)});
  }
  const uint64_t beyond = bytes.size() - 7;
  std::memcpy(bytes.data(), &beyond, sizeof(beyond));
  expect_corrupt(bytes, {"does not fit", "truncated"});
}

TEST(SafetensorsHostile, Headers) {
  expect_corrupt(file_of("", 0), {"does not begin with '{'"});
  expect_corrupt(file_of(" {}", 0), {"does not begin with '{'"});
  expect_corrupt(file_of("[]", 0), {"does not begin with '{'"});
  expect_corrupt(file_of("{\"a\": ", 0), {"not valid JSON"});
  expect_corrupt(file_of("{} x", 0), {"not valid JSON"});
  expect_corrupt(file_of("{\"\xff\": 1}", 0), {"not valid JSON"});
  expect_corrupt(file_of("{\"a\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}", 0),
                 {"nested deeper"});
  expect_corrupt(file_of(R"({"w":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"I8","shape":[1],)"
                         R"("data_offsets":[0,1]}})",
                         1),
                 {"\"w\" appears twice"});
  expect_corrupt(file_of(R"({"__metadata__": 5})", 0), {"__metadata__"});
  expect_corrupt(file_of(R"({"__metadata__": {"a": 5}})", 0), {"__metadata__", "\"a\"", "a string"});
  expect_corrupt(file_of(R"({"": {"dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1), {"no name"});
}

TEST(SafetensorsHostile, Descriptions) {
  expect_corrupt_tensor("7", {"expected an object"});
  expect_corrupt_tensor(R"({"shape":[4],"data_offsets":[0,16]})", {"dtype"});
  expect_corrupt_tensor(R"({"dtype":4,"shape":[4],"data_offsets":[0,16]})", {"dtype", "a string"});
  expect_corrupt_tensor(R"({"dtype":"F32","data_offsets":[0,16]})", {"shape"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":4,"data_offsets":[0,16]})", {"shape", "a list"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[-4],"data_offsets":[0,16]})", {"shape", "whole numbers"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4.5],"data_offsets":[0,16]})", {"shape", "whole numbers"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":["4"],"data_offsets":[0,16]})", {"shape", "whole numbers"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4]})", {"data_offsets"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[16]})", {"data_offsets", "two numbers, got 1"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1})", {"unknown field \"x\""});
}

TEST(SafetensorsHostile, Sizes) {
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})",
                        {"F32 of [3] takes 12 bytes", "give 16"});
  expect_corrupt_tensor(R"({"dtype":"F16","shape":[4],"data_offsets":[0,16]})",
                        {"F16 of [4] takes 8 bytes", "give 16"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[0,4],"data_offsets":[0,16]})", {"takes 0 bytes", "give 16"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]})", {"overflows"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4611686018427387904,8,0],"data_offsets":[0,0]})", {"overflows"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,16]})", {"overflows"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,16]})", {"too large"});
}

TEST(SafetensorsHostile, Offsets) {
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[16,0]})", {"[16, 0]", "no range"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[5],"data_offsets":[0,20]})", {"[0, 20]", "16 bytes", "truncated"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[18446744073709551600,18446744073709551615]})",
                        {"no range"});
  expect_corrupt_tensor(R"({"dtype":"F32","shape":[3],"data_offsets":[4,16]})", {"begins at byte 4", "gap"});
  expect_corrupt(file_of(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})", 16),
                 {"4 bytes follow the last"});
  expect_corrupt(file_of(R"({"v":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
                         R"("w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
                         16),
                 {"\"w\"", "overlap"});
  expect_corrupt(file_of(R"({"v":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
                         R"("w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
                         16),
                 {"\"w\"", "overlap"});
}

TEST(SafetensorsHostile, WhatPeltonDoesNotKnow) {
  const auto refused = [](std::string_view description, const std::vector<std::string>& parts) {
    const std::string bytes = file_of(fmt::format(R"({{"w": {}}})", description), 16);
    expect_error([&] { parse(bytes); }, ErrorCode::kUnsupported, parts);
  };
  refused(R"({"dtype":"F8_E5M2","shape":[16],"data_offsets":[0,16]})", {"\"w\"", "\"F8_E5M2\"", "test.safetensors"});
  refused(R"({"dtype":"","shape":[16],"data_offsets":[0,16]})", {"\"w\"", "dtype \"\""});
  refused(R"({"dtype":"F32","shape":[1,1,1,1,4],"data_offsets":[0,16]})", {"\"w\"", "5 dimensions"});
}

int64_t read_everything(const TensorSource& source) {
  int64_t sum = 0;
  for (const TensorEntry& entry : source.entries()) {
    const Tensor tensor = source.find(entry.name).value();
    for (int64_t i = 0; i < tensor.size_bytes(); ++i) sum += static_cast<int64_t>(tensor.data()[i]);
  }
  return sum;
}

TEST(SafetensorsHostile, EveryTruncationIsAnError) {
  const std::string whole = small_file();
  ASSERT_NO_THROW(parse(whole));
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));  // no slack behind it
    EXPECT_THROW(parse({cut.data(), cut.size()}), Error) << length;
  }
}

TEST(SafetensorsHostile, EveryFlippedByteIsReadOrRefused) {
  const std::string whole = small_file();
  size_t refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x02, 0x10, 0x80, 0xFF}) {
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

// --- writing ---

TEST(WriteSafetensors, ComesBackTheSame) {
  const TestFolder folder;
  Tensor bytes(ElementType::kI8, {3});
  std::memcpy(bytes.mutable_data(), "abc", 3);
  Tensor unsigned_bytes(ElementType::kU8, {2});
  std::memcpy(unsigned_bytes.mutable_data(), "\xFE\x01", 2);
  Tensor eighths(ElementType::kF8E4M3, {2});
  std::memcpy(eighths.mutable_data(), "\x38\xB8", 2);
  const std::vector<NamedTensor> tensors = {{"z \"quoted\" ü", tensor_of({1, 2, 3, 4, 5, 6}, {2, 3})},
                                            {"odd", bytes},
                                            {"unsigned", unsigned_bytes},
                                            {"f8", eighths},
                                            {"after.odd", tensor_of({7}, {1})},
                                            {"empty", Tensor::f32({0, 5})}};
  const auto path = folder.path() / "out.safetensors";
  write_safetensors(path, tensors);
  EXPECT_EQ(folder.file_count(), 1u);

  const auto file = SafetensorsFile::open(path);
  ASSERT_EQ(file->entries().size(), tensors.size());
  for (const NamedTensor& named : tensors) {
    const Tensor got = file->find(named.name).value();
    EXPECT_EQ(got.type(), named.tensor.type());
    EXPECT_EQ(got.shape(), named.tensor.shape());
    EXPECT_EQ(bytes_of_tensor(got), bytes_of_tensor(named.tensor)) << named.name;
  }
  EXPECT_EQ(file->entries()[0].name, tensors[0].name);  // in the given order
  const std::string raw = read_file(path, 1 << 20);
  uint64_t length;
  std::memcpy(&length, raw.data(), sizeof(length));
  EXPECT_EQ(length % 8, 0u);
}

TEST(WriteSafetensors, RefusesWhatTheFormatCannotHold) {
  const TestFolder folder;
  const auto path = folder.path() / "out.safetensors";
  const auto refused = [&](const std::vector<NamedTensor>& tensors, const std::vector<std::string>& parts) {
    expect_error([&] { write_safetensors(path, tensors); }, ErrorCode::kInvalidArgument, parts);
  };
  refused({{"w", Tensor(ElementType::kQ4_0, {32})}}, {"\"w\"", "no type q4_0"});
  refused({{"w", Tensor::f32({1})}, {"w", Tensor::f32({1})}}, {"\"w\"", "given twice"});
  refused({{"", Tensor::f32({1})}}, {"name"});
  refused({{"__metadata__", Tensor::f32({1})}}, {"__metadata__", "name"});
  EXPECT_EQ(folder.file_count(), 0u);
}

TEST(WriteSafetensors, FailureKeepsTheOldFileAndLeavesNothing) {
  const TestFolder folder;
  std::filesystem::create_directory(folder.path() / "taken");
  folder.write("taken/file", "x");
  const std::vector<NamedTensor> tensors = {{"w", Tensor::f32({4})}};
  // A folder cannot be replaced by a file: the rename at the very end fails.
  expect_error([&] { write_safetensors(folder.path() / "taken", tensors); }, ErrorCode::kIo,
               {"cannot replace", "taken"});
  EXPECT_EQ(folder.file_count(), 1u);
  expect_error([&] { write_safetensors(folder.path() / "absent" / "out.safetensors", tensors); }, ErrorCode::kIo,
               {"cannot create", "absent"});
}

// --- folders ---

void write_shard(const TestFolder& folder, const std::string& name, const std::vector<std::string>& tensors) {
  std::vector<NamedTensor> named;
  for (const std::string& tensor : tensors) named.push_back({tensor, tensor_of({1, 2}, {2})});
  write_safetensors(folder.path() / name, named);
}

void write_index(const TestFolder& folder, std::string_view weight_map) {
  folder.write("model.safetensors.index.json",
               fmt::format(R"({{"metadata": {{"total_size": 16}}, "weight_map": {}}})", weight_map));
}

void expect_folder_error(const TestFolder& folder, ErrorCode code, const std::vector<std::string>& parts) {
  expect_error([&] { open_safetensors_folder(folder.path()); }, code, parts);
}

TEST(SafetensorsFolder, OneFile) {
  const TestFolder folder;
  write_shard(folder, "model.safetensors", {"a", "b"});
  EXPECT_EQ(open_safetensors_folder(folder.path())->entries().size(), 2u);
}

TEST(SafetensorsFolder, ShardsAreOneSource) {
  const TestFolder folder;
  write_shard(folder, "model-00001-of-00002.safetensors", {"b", "a"});
  write_shard(folder, "model-00002-of-00002.safetensors", {"c"});
  write_index(folder, R"({"c": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors",
                          "b": "model-00001-of-00002.safetensors"})");
  const auto source = open_safetensors_folder(folder.path());
  std::vector<std::string> names;
  for (const TensorEntry& entry : source->entries()) names.push_back(entry.name);
  EXPECT_THAT(names, testing::ElementsAre("b", "a", "c"));
  EXPECT_EQ(source->find("c")->floats()[1], 2.0f);
  EXPECT_FALSE(source->find("d").has_value());
}

TEST(SafetensorsFolder, PromisesAreKept) {
  const TestFolder folder;
  write_shard(folder, "one.safetensors", {"a"});
  write_shard(folder, "two.safetensors", {"a", "b"});
  write_index(folder, R"({"a": "one.safetensors", "b": "one.safetensors"})");
  expect_folder_error(folder, ErrorCode::kCorruptFile, {"one.safetensors", "\"b\"", "missing"});
  write_index(folder, R"({"a": "one.safetensors", "b": "two.safetensors"})");
  expect_folder_error(folder, ErrorCode::kCorruptFile, {"two.safetensors", "\"a\"", "another shard"});
  write_index(folder, R"({"a": "one.safetensors", "b": "three.safetensors"})");
  expect_folder_error(folder, ErrorCode::kCorruptFile, {"index.json", "three.safetensors", "missing"});
  // Longer than any file system allows.
  write_index(folder, fmt::format(R"({{"a": "{}.safetensors"}})", std::string(10'000, 'n')));
  expect_folder_error(folder, ErrorCode::kCorruptFile, {"index.json", "nnn", "missing"});
}

TEST(SafetensorsFolder, ShardsStayInTheFolder) {
  const TestFolder outer;
  write_shard(outer, "outside.safetensors", {"a"});
  const TestFolder folder;
  for (const std::string& shard :
       {"../" + outer.path().filename().string() + "/outside.safetensors", std::string("..")}) {
    write_index(folder, fmt::format(R"({{"a": "{}"}})", shard));
    expect_folder_error(folder, ErrorCode::kCorruptFile, {"\"a\"", "no plain name"});
  }
  for (const std::string_view shard : {"/etc/x.safetensors", "sub/x.safetensors", "..\\\\x.safetensors", "", ".",
                                       "weights.bin", "a\\u0000.safetensors"}) {
    write_index(folder, fmt::format(R"({{"a": "{}"}})", shard));
    expect_folder_error(folder, ErrorCode::kCorruptFile, {"\"a\"", "no plain name"});
  }
}

TEST(SafetensorsFolder, BrokenIndexes) {
  const TestFolder folder;
  const auto broken = [&](std::string_view text, const std::vector<std::string>& parts) {
    folder.write("model.safetensors.index.json", text);
    expect_folder_error(folder, ErrorCode::kCorruptFile, parts);
    expect_folder_error(folder, ErrorCode::kCorruptFile, {"index.json"});
  };
  broken("", {"not valid JSON"});
  broken("[]", {"an object"});
  broken("{}", {"weight_map"});
  broken(R"({"weight_map": []})", {"weight_map"});
  broken(R"({"weight_map": {"a": 1}})", {"\"a\"", "file name"});
  broken(R"({"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}})", {"appears twice"});
}

TEST(SafetensorsFolder, NothingToOpen) {
  const TestFolder folder;
  expect_folder_error(folder, ErrorCode::kNotFound, {"model.safetensors", "index.json"});
  folder.write("pytorch_model.bin", "x");
  expect_folder_error(folder, ErrorCode::kUnsupported, {".bin", "convert"});
  expect_error([&] { open_safetensors_folder(folder.path() / "absent"); }, ErrorCode::kNotFound, {"absent"});
}

}  // namespace
}  // namespace pelton
