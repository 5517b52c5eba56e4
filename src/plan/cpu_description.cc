#include "plan/cpu_description.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

namespace pelton {
namespace fs = std::filesystem;
namespace {

// Files below /proc and /sys have no size, so they are read by lines.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string cpu_model(const fs::path& root) {
  std::ifstream file(root / "proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::optional<int64_t> leading_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  return number;
}

// "48K", "32768K", "1M"
int64_t cache_bytes(std::string_view text) {
  const int64_t number = std::min(leading_number(text).value_or(0), int64_t{1} << 32);
  if (text.ends_with('K')) return number << 10;
  if (text.ends_with('M')) return number << 20;
  return number;
}

// "0-1", "0,64", "0-3,8-11"
int cores_in_list(std::string_view list) {
  int64_t count = 0;
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    const size_t dash = item.find('-');
    const int64_t first = leading_number(item).value_or(0);
    const int64_t last = dash == std::string_view::npos ? first : leading_number(item.substr(dash + 1)).value_or(first);
    count += std::clamp<int64_t>(last - first + 1, 1, 1 << 16);
  }
  return static_cast<int>(std::clamp<int64_t>(count, 1, 1 << 16));
}

}  // namespace

CpuDescription describe_cpu(const fs::path& root) {
  CpuDescription description{.model = cpu_model(root), .caches = {}};
  for (int index = 0;; ++index) {
    const fs::path folder = root / fmt::format("sys/devices/system/cpu/cpu0/cache/index{}", index);
    const std::optional<int64_t> level = leading_number(first_line(folder / "level"));
    if (!level) break;
    if (first_line(folder / "type") == "Instruction") continue;
    const int64_t size_bytes = cache_bytes(first_line(folder / "size"));
    if (size_bytes == 0 || *level < 1 || *level > 4) continue;
    description.caches.push_back(
        {static_cast<int>(*level), size_bytes, cores_in_list(first_line(folder / "shared_cpu_list"))});
  }
  std::sort(description.caches.begin(), description.caches.end(),
            [](const CacheLevel& a, const CacheLevel& b) { return a.level < b.level; });
  return description;
}

}  // namespace pelton
