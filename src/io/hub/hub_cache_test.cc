#include "io/hub/hub_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "base/test_folder.h"
#include "io/error_matchers.h"
#include "io/hub/cached_model.h"
#include "io/hub/file_lock.h"
#include "io/hub/pull_manifest.h"
#include "io/path_exists.h"

namespace pelton {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

const std::string kOld(40, 'a');
const std::string kNew(40, 'b');

class HubCacheTest : public testing::Test {
 protected:
  void add(const std::string& commit, const std::string& path, std::string_view text) {
    const std::string etag = std::to_string(std::hash<std::string_view>()(text));
    fs::create_directories(cache_.repository_folder(name_) / "blobs");
    replace_file(cache_.blob_path(name_, etag), text);
    cache_.link(name_, commit, path, etag);
  }
  void set_ref(const std::string& revision, const std::string& commit) {
    HubName name = name_;
    name.revision = revision;
    cache_.set_ref(name, commit);
  }
  fs::path find(const std::string& name) { return find_cached_model(cache_, *parse_hub_name(name)); }

  TestFolder folder_;
  HubCache cache_{folder_.path() / "hub"};
  HubName name_{.repository = "org/name"};
};

TEST_F(HubCacheTest, LinksAreRelativeAndReplaced) {
  add(kNew, "a/b.txt", "1");
  add(kNew, "a/b.txt", "22");
  const fs::path link = cache_.snapshot_folder(name_, kNew) / "a/b.txt";
  EXPECT_TRUE(fs::read_symlink(link).string().starts_with("../../../blobs/"));
  EXPECT_EQ(read_file(link, 10), "22");
}

TEST_F(HubCacheTest, RevisionsLeadToCommits) {
  EXPECT_EQ(cache_.find_commit(name_), std::nullopt);
  set_ref("main", kNew);
  EXPECT_EQ(cache_.find_commit(name_), std::nullopt) << "no snapshot yet";
  add(kNew, "x", "1");
  EXPECT_EQ(cache_.find_commit(name_), kNew);
  HubName by_commit = name_;
  by_commit.revision = kNew;
  cache_.set_ref(by_commit, kNew);
  EXPECT_FALSE(path_exists(cache_.repository_folder(name_) / "refs" / kNew));
  EXPECT_EQ(cache_.find_commit(by_commit), kNew);
}

TEST_F(HubCacheTest, SharedBlobsCountOnceAndStayWhileNeeded) {
  add(kOld, "weights", std::string(1000, 'w'));
  add(kOld, "readme", "old");
  add(kNew, "weights", std::string(1000, 'w'));
  add(kNew, "readme", "newer");
  set_ref("main", kNew);
  const auto repository = cache_.find(name_);
  ASSERT_TRUE(repository);
  EXPECT_EQ(repository->size_bytes, 1008);
  EXPECT_THAT(repository->revisions[1].refs, ElementsAre("main"));
  HubName old = name_;
  old.revision = kOld;
  const CacheRemoval removal = cache_.plan_removal(old);
  EXPECT_FALSE(removal.is_whole_repository);
  EXPECT_EQ(removal.freed_bytes, 3);
  cache_.remove(removal);
  EXPECT_EQ(cache_.find(name_)->size_bytes, 1005);
  EXPECT_TRUE(cache_.plan_removal(name_).is_whole_repository);
  HubName all = name_;
  all.glob = "*";
  EXPECT_TRUE(cache_.plan_removal(all).is_whole_repository);
}

TEST_F(HubCacheTest, NothingIsRemovedUnderADownload) {
  add(kNew, "x", "1");
  const fs::path lock_path = cache_.lock_folder(name_) / "etag.lock";
  auto lock = FileLock::try_acquire(lock_path);
  ASSERT_TRUE(lock);
  EXPECT_FALSE(FileLock::try_acquire(lock_path));
  expect_error([&] { cache_.remove(cache_.plan_removal(name_)); }, ErrorCode::kUnavailable, {"under way"});
  lock.reset();
  cache_.remove(cache_.plan_removal(name_));
  EXPECT_EQ(cache_.find(name_), std::nullopt);
}

TEST_F(HubCacheTest, FindsAFolderOrAFile) {
  add(kNew, "config.json", "{}");
  set_ref("main", kNew);
  expect_error([&] { find("hf:org/name"); }, ErrorCode::kNotFound, {"no model", "config.json"});
  add(kNew, "model.safetensors", "w");
  const fs::path snapshot = cache_.snapshot_folder(name_, kNew);
  EXPECT_EQ(find("hf:org/name"), snapshot);
  EXPECT_EQ(find("org/name@" + kNew), snapshot);
  add(kNew, "q/m-Q4-00001-of-00002.gguf", "1");
  add(kNew, "q/m-Q4-00002-of-00002.gguf", "2");
  add(kNew, "mmproj-f16.gguf", "3");
  EXPECT_EQ(find("hf:org/name"), snapshot);
  EXPECT_EQ(find("hf:org/name:*Q4*"), snapshot / "q/m-Q4-00001-of-00002.gguf");
  EXPECT_EQ(find("hf:org/name:q4"), snapshot / "q/m-Q4-00001-of-00002.gguf");
  fs::remove(snapshot / "config.json");
  EXPECT_EQ(find("hf:org/name"), snapshot / "q/m-Q4-00001-of-00002.gguf") << "the projector is no model";
  add(kNew, "m-Q8.gguf", "8");
  expect_error([&] { find("hf:org/name"); }, ErrorCode::kInvalidArgument, {"several", "m-Q8.gguf"});
  expect_error([&] { find("hf:org/other"); }, ErrorCode::kNotFound, {"pelton pull hf:org/other"});
  expect_error([&] { find("hf:org/name@v1"); }, ErrorCode::kNotFound, {"it has revision main"});
  expect_error([&] { find("dataset:hf:org/name"); }, ErrorCode::kInvalidArgument, {"data set"});
}

TEST_F(HubCacheTest, PathsTellTheirRepository) {
  EXPECT_EQ(repository_of_snapshot_path(cache_.snapshot_folder(name_, kNew)), "org/name");
  EXPECT_EQ(repository_of_snapshot_path(cache_.snapshot_folder(name_, kNew) / "a/b"), "org/name");
  EXPECT_EQ(repository_of_snapshot_path("/x/models--a--b/snapshots/main"), std::nullopt);
  EXPECT_EQ(repository_of_snapshot_path("/x/models/y"), std::nullopt);
}

TEST(GgufPartNumberTest, Reads) {
  EXPECT_EQ(gguf_part_number("m-00002-of-00005.gguf"), 2);
  EXPECT_EQ(gguf_part_number("m.gguf"), std::nullopt);
  EXPECT_EQ(gguf_part_number("m-0002-of-0005.gguf"), std::nullopt);
  EXPECT_EQ(gguf_part_number("m-0000x-of-00005.gguf"), std::nullopt);
}

TEST_F(HubCacheTest, ManifestsGrow) {
  const fs::path path = cache_.manifest_path(name_, kNew);
  PullManifest manifest{.name = name_, .commit = kNew, .files = {{"b", 2, kOld}}};
  write_manifest(path, manifest);
  manifest.files = {{"a", 1, kNew}};
  write_manifest(path, manifest);
  const auto files = read_manifest_files(path);
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].path, "a");
  EXPECT_EQ((*files)[1].size_bytes, 2);
  for (const char* text : {"", "{", "[]", "{\"files\": 3}", "{\"files\": [{\"path\": \"../x\", \"bytes\": 1}]}"}) {
    replace_file(path, text);
    EXPECT_EQ(read_manifest_files(path), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pelton
