#include "server/fine_tuning/file_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/test_folder.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

StoredFile file(const std::string& id, int64_t created_s, const std::string& owner = "") {
  return {.id = id, .owner = owner, .name = id + ".jsonl", .purpose = "fine-tune", .created_s = created_s};
}

std::vector<std::string> ids(const std::vector<StoredFile>& files) {
  std::vector<std::string> names;
  for (const StoredFile& one : files) names.push_back(one.id);
  return names;
}

ErrorCode code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(FileStore, FindsItsFilesAgain) {
  const TestFolder folder;
  {
    FileStore store(folder.path() / "files");
    EXPECT_EQ(store.add(file("file-a", 1), "{}\n").bytes, 3);
    store.add(file("file-b", 2), "{}");
    store.add(file("file-c", 2), "{}");
    store.remove("file-c");
    store.remove("file-c");
  }
  fs::create_directory(folder.path() / "files/.file-d.x1y2z3");  // as a kill leaves it
  const FileStore store(folder.path() / "files");
  EXPECT_THAT(ids(store.list("")), ElementsAre("file-b", "file-a"));
  const StoredFile found = store.find("file-a", "");
  EXPECT_EQ(found.name, "file-a.jsonl");
  EXPECT_EQ(found.bytes, 3);
  EXPECT_EQ(store.contents(found), "{}\n");
  EXPECT_FALSE(fs::exists(folder.path() / "files/.file-d.x1y2z3"));
  EXPECT_FALSE(fs::exists(folder.path() / "files/file-c"));
}

TEST(FileStore, EachOwnerSeesTheirOwn) {
  const TestFolder folder;
  FileStore store(folder.path() / "files");
  store.add(file("file-a", 1, "team-a"), "{}");
  store.add(file("file-b", 1, "team-b"), "{}");
  EXPECT_THAT(ids(store.list("team-a")), ElementsAre("file-a"));
  EXPECT_THAT(ids(store.list("")), ElementsAre());
  EXPECT_EQ(code_of([&] { store.find("file-b", "team-a", "training_file"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { store.find("../file-b", "team-b"); }), ErrorCode::kNotFound);
}

TEST(FileStore, IsBounded) {
  const TestFolder folder;
  FileStore store(folder.path() / "files", {.file_bytes_max = 4, .bytes_max = 7, .count_max = 3});
  EXPECT_EQ(code_of([&] { store.add(file("file-a", 1), "12345"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { store.add(file("file-a", 1), ""); }), ErrorCode::kInvalidArgument);
  store.add(file("file-a", 1), "1234");
  EXPECT_EQ(code_of([&] { store.add(file("file-b", 1), "1234"); }), ErrorCode::kResourceExhausted);
  store.add(file("file-b", 1), "1");
  store.add(file("file-c", 1), "1");
  EXPECT_EQ(code_of([&] { store.add(file("file-d", 1), "1"); }), ErrorCode::kResourceExhausted);
  store.remove("file-a");
  store.add(file("file-d", 1), "1234");
}

TEST(FileStore, WhatIsNotItsOwnStopsIt) {
  const TestFolder folder;
  fs::create_directory(folder.path() / "notes");
  EXPECT_EQ(code_of([&] { FileStore store(folder.path()); }), ErrorCode::kCorruptFile);
}

}  // namespace
}  // namespace pelton
