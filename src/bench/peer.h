// Pelton and another engine on the same file, in turns: bench/peers/compare.py, in the environment that it makes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pelton {

inline constexpr const char* kPeers[] = {"llama.cpp", "openvino"};

struct PeerComparison {
  std::filesystem::path python;  // of the environment with the peers
  std::filesystem::path script;
};
// Looks for bench/peers/compare.py in the folders above `program`, which may lie in a build folder. Errors: kNotFound
// (no script, no environment; says how to get one).
PeerComparison find_peer_comparison(const std::filesystem::path& program);

// Replaces this process by the script. Error kIo: the system refused.
[[noreturn]] void run_peer_comparison(const PeerComparison& comparison, const std::vector<std::string>& arguments);

}  // namespace pelton
