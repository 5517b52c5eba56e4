// A folder of files for a test, gone with it.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "io/test_folder.h"

namespace pelton::data {

class TestFiles {
 public:
  std::string path(std::string_view name) const { return (folder_.path() / name).string(); }
  std::string write(std::string_view name, std::string_view bytes) const {
    const std::filesystem::path file = folder_.path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file.string();
  }
  std::string read(std::string_view name) const {
    std::ifstream file(folder_.path() / name, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  }
  bool has(std::string_view name) const { return std::filesystem::exists(folder_.path() / name); }

 private:
  TestFolder folder_;
};

}  // namespace pelton::data
