#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/test_folder.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

class FileTest : public testing::Test {
 protected:
  size_t file_count() const { return work_.file_count(); }

  const TestFolder work_;
  const fs::path folder_ = work_.path();
};

template <typename Action>
std::optional<ErrorCode> code_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  return std::nullopt;
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

// A limit on what this process may write to a file, lifted at the end; a write beyond it fails with EFBIG.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

using MappedFileTest = FileTest;

TEST_F(MappedFileTest, ShowsTheBytes) {
  replace_file(folder_ / "a", std::string_view("with\0nul", 8));
  const auto file = MappedFile::open(folder_ / "a");
  EXPECT_EQ(text_of(*file), std::string_view("with\0nul", 8));
  EXPECT_EQ(file->path(), folder_ / "a");
}

TEST_F(MappedFileTest, EmptyFilesAreFine) {
  replace_file(folder_ / "empty", "");
  const auto file = MappedFile::open(folder_ / "empty");
  EXPECT_TRUE(file->bytes().empty());
  MappedFile::drop_resident_pages(file->bytes());
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  EXPECT_EQ(code_of([&] { MappedFile::open(folder_ / "absent"); }), ErrorCode::kNotFound);
  replace_file(folder_ / "a", "x");
  EXPECT_EQ(code_of([&] { MappedFile::open(folder_ / "a" / "below"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { MappedFile::open(folder_); }), ErrorCode::kIo);
  EXPECT_EQ(code_of([&] { MappedFile::open("/dev/null"); }), ErrorCode::kIo);
  EXPECT_EQ(code_of([&] { MappedFile::open(folder_ / std::string(5000, 'n')); }), ErrorCode::kIo);
}

TEST_F(MappedFileTest, OutlivesTheNameAndItsReplacement) {
  replace_file(folder_ / "a", "old");
  const auto file = MappedFile::open(folder_ / "a");
  replace_file(folder_ / "a", "new and longer");
  EXPECT_EQ(text_of(*file), "old");
  fs::remove(folder_ / "a");
  EXPECT_EQ(text_of(*file), "old");
}

TEST_F(MappedFileTest, DroppedPagesComeBack) {
  const std::string contents(100'000, 'p');
  replace_file(folder_ / "a", contents);
  const auto file = MappedFile::open(folder_ / "a");
  ASSERT_EQ(text_of(*file), contents);
  for (const size_t begin : {size_t{0}, size_t{1}, size_t{4095}, size_t{50'000}}) {
    MappedFile::drop_resident_pages(file->bytes().subspan(begin));
    MappedFile::drop_resident_pages(file->bytes().subspan(begin, 10));
    EXPECT_EQ(text_of(*file), contents);
  }
}

using ReadFileTest = FileTest;

TEST_F(ReadFileTest, HonoursTheBound) {
  replace_file(folder_ / "a", "12345");
  EXPECT_EQ(read_file(folder_ / "a", 5), "12345");
  EXPECT_EQ(code_of([&] { read_file(folder_ / "a", 4); }), ErrorCode::kResourceExhausted);
  replace_file(folder_ / "empty", "");
  EXPECT_EQ(read_file(folder_ / "empty", 0), "");
}

TEST_F(ReadFileTest, RefusesWhatIsNoFile) {
  EXPECT_EQ(code_of([&] { read_file(folder_ / "absent", 10); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { read_file(folder_, 10); }), ErrorCode::kIo);
}

using ReplaceFileTest = FileTest;

TEST_F(ReplaceFileTest, ReplacesAsAWholeAndLeavesNoTemporaries) {
  for (const std::string& contents : {std::string("first"), std::string(), std::string(3'000'000, 'x')}) {
    replace_file(folder_ / "a", contents);
    EXPECT_EQ(read_file(folder_ / "a", 10'000'000), contents);
    EXPECT_EQ(file_count(), 1u);
  }
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0644u);
}

TEST_F(ReplaceFileTest, TakesARelativeName) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  replace_file("plain", "x");
  fs::current_path(before);
  EXPECT_EQ(read_file(folder_ / "plain", 10), "x");
}

TEST_F(ReplaceFileTest, AFailedWriteKeepsTheOldFile) {
  replace_file(folder_ / "a", "old");
  {
    const FileSizeLimit limit(1000);
    EXPECT_EQ(code_of([&] { replace_file(folder_ / "a", std::string(5000, 'x')); }), ErrorCode::kIo);
  }
  EXPECT_EQ(read_file(folder_ / "a", 10), "old");
  EXPECT_EQ(file_count(), 1u);
}

TEST_F(ReplaceFileTest, AFailedRenameLeavesNothing) {
  fs::create_directories(folder_ / "taken" / "below");
  EXPECT_EQ(code_of([&] { replace_file(folder_ / "taken", "x"); }), ErrorCode::kIo);
  EXPECT_EQ(file_count(), 1u);
  EXPECT_TRUE(fs::is_directory(folder_ / "taken" / "below"));
}

TEST_F(ReplaceFileTest, NeedsItsFolder) {
  EXPECT_TRUE(code_of([&] { replace_file(folder_ / "absent" / "a", "x"); }).has_value());
  EXPECT_EQ(file_count(), 0u);
}

class CacheFolderTest : public testing::Test {
 protected:
  void TearDown() override {
    for (size_t i = 0; i < 3; ++i) {
      if (before_[i]) {
        ::setenv(kNames[i], before_[i]->c_str(), 1);
      } else {
        ::unsetenv(kNames[i]);
      }
    }
  }
  static std::optional<std::string> variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }

  static constexpr const char* kNames[] = {"PELTON_CACHE", "XDG_CACHE_HOME", "HOME"};
  const std::optional<std::string> before_[3] = {variable(kNames[0]), variable(kNames[1]), variable(kNames[2])};
};

TEST_F(CacheFolderTest, FollowsTheEnvironmentInOrder) {
  ::setenv("PELTON_CACHE", "/p", 1);
  ::setenv("XDG_CACHE_HOME", "/x", 1);
  ::setenv("HOME", "/h", 1);
  EXPECT_EQ(cache_folder(), "/p");
  ::setenv("PELTON_CACHE", "", 1);
  EXPECT_EQ(cache_folder(), "/x/pelton");
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(cache_folder(), "/h/.cache/pelton");
}

}  // namespace
}  // namespace pelton
