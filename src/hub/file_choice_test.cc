#include "hub/file_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error_matchers.h"

namespace pelton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

FileChoice choose(const char* name, const std::vector<std::string>& paths) {
  std::vector<HubFile> files;
  for (const std::string& path : paths) files.push_back({.path = path, .size_bytes = 10});
  return choose_files(*parse_hub_name(name), files);
}

std::vector<std::string> chosen(const char* name, const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const HubFile& file : choose(name, paths).files) names.push_back(file.path);
  return names;
}

TEST(FileChoiceTest, AModelIsConfigTokenizerAndSafetensors) {
  EXPECT_THAT(chosen("hf:o/n", {".gitattributes",
                                "README.md",
                                "LICENSE",
                                "config.json",
                                "generation_config.json",
                                "tokenizer.json",
                                "merges.txt",
                                "tokenizer.model",
                                "chat_template.jinja",
                                "model.safetensors",
                                "pytorch_model.bin",
                                "modeling_x.py",
                                "onnx/model.onnx",
                                "runs/events.out",
                                "original/consolidated.00.pth",
                                "original/params.json",
                                "logo.png",
                                "1_Pooling/config.json",
                                "2_Dense/model.safetensors",
                                "2_Dense/pytorch_model.bin"}),
              ElementsAre("1_Pooling/config.json", "2_Dense/model.safetensors", "LICENSE", "README.md",
                          "chat_template.jinja", "config.json", "generation_config.json", "merges.txt",
                          "model.safetensors", "tokenizer.json", "tokenizer.model"));
}

TEST(FileChoiceTest, TheSameWeightsComeOnce) {
  EXPECT_THAT(
      chosen("hf:o/n", {"config.json", "consolidated.safetensors", "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors", "model.safetensors.index.json", "x/model.safetensors"}),
      ElementsAre("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                  "model.safetensors.index.json"));
  EXPECT_THAT(chosen("hf:o/n", {"adapter_config.json", "adapter_model.safetensors"}),
              ElementsAre("adapter_config.json", "adapter_model.safetensors"));
  EXPECT_THAT(chosen("hf:o/n", {"config.json", "model.safetensors", "model-q4.gguf"}),
              ElementsAre("config.json", "model.safetensors"));
}

TEST(FileChoiceTest, OfGgufFilesTheOnlyOne) {
  EXPECT_THAT(chosen("hf:o/n", {"README.md", "m-Q4.gguf", "mmproj-f16.gguf"}), ElementsAre("README.md", "m-Q4.gguf"));
  EXPECT_THAT(chosen("hf:o/n", {"a/m-00001-of-00002.gguf", "a/m-00002-of-00002.gguf"}),
              ElementsAre("a/m-00001-of-00002.gguf", "a/m-00002-of-00002.gguf"));
  expect_error(
      [] {
        choose("hf:o/n", {"m-Q4.gguf", "m-Q8.gguf"});
      },
      ErrorCode::kInvalidArgument, {"2 GGUF models", "hf:o/n:m-Q4.gguf", "m-Q8.gguf"});
}

TEST(FileChoiceTest, AGlobTakesWhatItMatchesAndNothingElse) {
  const std::vector<std::string> paths = {"README.md", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "sub/m-Q4_K_M.gguf"};
  EXPECT_THAT(chosen("hf:o/n:*Q4_K_M.gguf", paths), ElementsAre("m-Q4_K_M.gguf", "sub/m-Q4_K_M.gguf"));
  EXPECT_THAT(chosen("hf:o/n:m-Q8_0.gguf", paths), ElementsAre("m-Q8_0.gguf"));
  EXPECT_THAT(chosen("hf:o/n:q8_0", paths), ElementsAre("m-Q8_0.gguf"));
  expect_error([&] { choose("hf:o/n:*Q2_K.gguf", paths); }, ErrorCode::kNotFound,
               {"*Q2_K.gguf", "m-Q8_0.gguf", "main"});
}

TEST(FileChoiceTest, APartBringsTheOthersOfItsModel) {
  EXPECT_THAT(chosen("hf:o/n:m-00002-of-00002.gguf",
                     {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "n-00001-of-00002.gguf", "m.gguf"}),
              ElementsAre("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"));
}

TEST(FileChoiceTest, WhatCanRunCodeNeverComes) {
  for (const char* path : {"pytorch_model.bin", "a/b.PT", "x.pth", "x.ckpt", "x.pkl", "x.pickle", "x.joblib", "x.py",
                           "data.h5", "x.nemo"}) {
    EXPECT_TRUE(can_run_code(path)) << path;
    expect_error([&] { choose(("hf:o/n:" + std::string(path)).c_str(), {path}); }, ErrorCode::kUnsupported,
                 {path, "runs the code", "safetensors", "refs/pr/"});
  }
  for (const char* path : {"model.safetensors", "m.gguf", "binary", "x.bin.txt", "tokenizer.model", "a.parquet"}) {
    EXPECT_FALSE(can_run_code(path)) << path;
  }
  expect_error(
      [] {
        choose("hf:o/n", {"config.json", "pytorch_model.bin"});
      },
      ErrorCode::kUnsupported, {"pytorch_model.bin", "hf:o/n@refs/pr/N"});
  const FileChoice mixed = choose("hf:o/n:*", {"a.json", "x.bin", "y.bin"});
  EXPECT_EQ(mixed.files.size(), 1u);
  EXPECT_THAT(mixed.notes, ElementsAre(HasSubstr("x.bin, y.bin")));
}

TEST(FileChoiceTest, NothingToRun) {
  expect_error([] { choose("hf:o/n", {"README.md"}); }, ErrorCode::kNotFound, {"no weights", "README.md"});
  expect_error([] { choose("hf:o/n", {}); }, ErrorCode::kNotFound, {"no files"});
}

TEST(FileChoiceTest, ADatasetIsItsParquetAndJsonl) {
  EXPECT_THAT(chosen("dataset:hf:o/n", {".gitattributes", "README.md", "LICENSE.txt", "data/train-0.parquet", "a.jsonl",
                                        "b.jsonl.gz", "c.csv", "load.py", "img/x.png"}),
              ElementsAre("LICENSE.txt", "README.md", "a.jsonl", "b.jsonl.gz", "data/train-0.parquet"));
  EXPECT_THAT(chosen("dataset:hf:o/n:*.csv", {"README.md", "c.csv"}), ElementsAre("c.csv"));
  expect_error(
      [] {
        choose("dataset:hf:o/n", {"README.md", "x.csv"});
      },
      ErrorCode::kNotFound, {"x.csv", "dataset:hf:o/n@refs/convert/parquet"});
  EXPECT_THAT(choose("dataset:hf:o/n", {"a.jsonl"}).notes, IsEmpty());
}

}  // namespace
}  // namespace pelton
