#include "bench/peer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace pelton {
namespace fs = std::filesystem;

PeerComparison find_peer_comparison(const fs::path& program) {
  for (fs::path folder = program.parent_path(); folder != folder.root_path(); folder = folder.parent_path()) {
    const PeerComparison found = {folder / "build/peers/bin/python", folder / "bench/peers/compare.py"};
    if (!fs::exists(found.script)) continue;
    if (fs::exists(found.python)) return found;
    throw Error(ErrorCode::kNotFound,
                fmt::format("no peer is installed; install them with: python3 {} --install", found.script.string()));
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("there is no bench/peers/compare.py above {}: comparing needs Pelton's source tree, with the "
                          "program built in it",
                          program.string()));
}

void run_peer_comparison(const PeerComparison& comparison, const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {comparison.python.string(), comparison.script.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(pointers[0], pointers.data());
  throw Error(ErrorCode::kIo, fmt::format("cannot run {}: {}", words[0], std::strerror(errno)));
}

}  // namespace pelton
