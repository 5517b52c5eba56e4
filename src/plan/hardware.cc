#include "plan/hardware.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file.h"
#include "plan/cpu_description.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

// Part of the file: what was measured another way is measured again.
constexpr int64_t kVersion = 2;
constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr int64_t kThreadsMax = 1 << 16;
constexpr double kRateMax = 1e12;

// FNV-1a: names a file, guards nothing.
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

template <typename T>
T required(const JsonReader& reader, std::string_view name, std::optional<T> value) {
  if (!value) reader.fail(name, "a value");
  return *std::move(value);
}

std::string text_of(const JsonReader& reader, std::string_view name) {
  return required(reader, name, reader.string(name));
}
int64_t count_of(const JsonReader& reader, std::string_view name, int64_t min, int64_t max) {
  return required(reader, name, reader.integer(name, min, max));
}
double rate_of(const JsonReader& reader, std::string_view name) {
  return required(reader, name, reader.number(name, 0, kRateMax));
}

template <typename Read>
void for_each_object(const JsonReader& reader, std::string_view name, Read read) {
  const json::array* array = reader.array(name);
  if (array == nullptr) reader.fail(name, "an array");
  for (size_t i = 0; i < array->size(); ++i) {
    read(JsonReader::of((*array)[i], fmt::format("{}[{}]", reader.path_of(name), i)));
  }
}

}  // namespace

HardwareIdentity this_hardware() {
  return {describe_cpu().model, std::string(isa_name(active_isa())), usable_core_count()};
}

double Hardware::gop_per_second(std::string_view type) const {
  double rate = 0;
  for (const PeakRate& peak : peaks) {
    if (peak.type == type) rate = std::max(rate, peak.gop_per_second);
  }
  return rate;
}

double Hardware::gb_per_second(std::string_view level) const {
  const auto found =
      std::find_if(levels.begin(), levels.end(), [&](const MemoryLevel& candidate) { return candidate.name == level; });
  return found == levels.end() ? 0 : found->gb_per_second;
}

json::object to_json(const Hardware& hardware) {
  json::array bandwidth;
  for (const BandwidthPoint& point : hardware.bandwidth) {
    bandwidth.push_back({{"threads", point.thread_count},
                         {"bytes_per_thread", point.bytes_per_thread},
                         {"gb_per_second", point.gb_per_second}});
  }
  json::array levels;
  for (const MemoryLevel& level : hardware.levels) {
    levels.push_back({{"name", level.name}, {"size_bytes", level.size_bytes}, {"gb_per_second", level.gb_per_second}});
  }
  json::array peaks;
  for (const PeakRate& peak : hardware.peaks) {
    peaks.push_back({{"type", peak.type}, {"threads", peak.thread_count}, {"gop_per_second", peak.gop_per_second}});
  }
  return {{"version", kVersion},          {"cpu", hardware.identity.cpu},
          {"isa", hardware.identity.isa}, {"cores", hardware.identity.core_count},
          {"levels", std::move(levels)},  {"bandwidth", std::move(bandwidth)},
          {"peaks", std::move(peaks)}};
}

Hardware hardware_from_json(const json::value& value) {
  const JsonReader reader = JsonReader::of(value, "hardware");
  count_of(reader, "version", kVersion, kVersion);
  Hardware hardware;
  hardware.identity = {text_of(reader, "cpu"), text_of(reader, "isa"),
                       static_cast<int>(count_of(reader, "cores", 1, kThreadsMax))};
  for_each_object(reader, "levels", [&](const JsonReader& level) {
    hardware.levels.push_back(
        {text_of(level, "name"), count_of(level, "size_bytes", 0, INT64_MAX), rate_of(level, "gb_per_second")});
  });
  for_each_object(reader, "bandwidth", [&](const JsonReader& point) {
    hardware.bandwidth.push_back({static_cast<int>(count_of(point, "threads", 1, kThreadsMax)),
                                  count_of(point, "bytes_per_thread", 1, INT64_MAX), rate_of(point, "gb_per_second")});
  });
  for_each_object(reader, "peaks", [&](const JsonReader& peak) {
    hardware.peaks.push_back({text_of(peak, "type"), static_cast<int>(count_of(peak, "threads", 1, kThreadsMax)),
                              rate_of(peak, "gop_per_second")});
  });
  return hardware;
}

fs::path hardware_path(const fs::path& cache, const HardwareIdentity& identity) {
  const std::string key = fmt::format("{}\n{}\n{}\n{}", identity.cpu, identity.isa, identity.core_count, kVersion);
  return cache / "hardware" / fmt::format("{:016x}.json", hash_of(key));
}

std::optional<Hardware> load_hardware(const fs::path& cache, const HardwareIdentity& identity) {
  try {
    const fs::path path = hardware_path(cache, identity);
    Hardware hardware = hardware_from_json(parse_json(read_file(path, kFileBytesMax), path.string()));
    if (hardware.identity == identity) return hardware;
  } catch (const Error&) {  // whatever is wrong with the file, measuring puts it right
  }
  return std::nullopt;
}

void store_hardware(const fs::path& cache, const Hardware& hardware) {
  const fs::path path = hardware_path(cache, hardware.identity);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot create the folder {}: {}", path.parent_path().string(), error.message()));
  }
  replace_file(path, json::serialize(to_json(hardware)) + "\n");
}

}  // namespace pelton
