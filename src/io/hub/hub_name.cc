#include "io/hub/hub_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "io/in_quotes.h"

namespace pelton {
namespace {

constexpr std::string_view kDatasetPrefix = "dataset:";
constexpr std::string_view kPrefixes[] = {"hf://", "hf:"};
constexpr size_t kNamePartBytesMax = 96;  // the hub's own limit
constexpr size_t kRevisionBytesMax = 255;
constexpr size_t kGlobBytesMax = 512;
constexpr size_t kPathBytesMax = 1024;

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool is_alphanumeric(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
}

bool is_control(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return byte < 0x20 || byte == 0x7F;
}

bool is_name_part(std::string_view part) {
  if (part.empty() || part.size() > kNamePartBytesMax) return false;
  const auto is_allowed = [](char letter) {
    return is_alphanumeric(letter) || letter == '-' || letter == '_' || letter == '.';
  };
  const auto is_edge = [](char letter) { return letter != '-' && letter != '.'; };
  return std::all_of(part.begin(), part.end(), is_allowed) && is_edge(part.front()) && is_edge(part.back()) &&
         part.find("--") == std::string_view::npos && part.find("..") == std::string_view::npos;
}

// Calls is_good on each part between slashes.
template <typename Check>
bool all_parts(std::string_view text, const Check& is_good) {
  for (size_t begin = 0;;) {
    const size_t end = text.find('/', begin);
    if (!is_good(text.substr(begin, end == std::string_view::npos ? end : end - begin))) return false;
    if (end == std::string_view::npos) return true;
    begin = end + 1;
  }
}

// REPOSITORY[:GLOB][@REVISION]
HubName split(std::string_view text) {
  HubName name;
  const size_t repository_end = std::min(text.find_first_of(":@"), text.size());
  name.repository = text.substr(0, repository_end);
  std::string_view rest = text.substr(repository_end);
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    name.revision = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  if (take_prefix(rest, ":")) name.glob = rest;
  return name;
}

std::optional<std::string> problem_of(const HubName& name, std::string_view text) {
  if (!is_repository_name(name.repository)) {
    return fmt::format("{} is no name of a repository (letters, digits, '-', '_', '.', and one '/')",
                       in_quotes(name.repository));
  }
  if (name.revision && !is_revision_name(*name.revision)) {
    return fmt::format("{} is no branch, tag or commit", in_quotes(*name.revision));
  }
  const bool has_glob_sign = text.find(':') < text.find('@');
  if (has_glob_sign && (name.glob.empty() || name.glob.size() > kGlobBytesMax ||
                        std::any_of(name.glob.begin(), name.glob.end(), is_control))) {
    return "after the ':' comes a file's name or a pattern of it, as in \":*Q4_K_M.gguf\"";
  }
  return std::nullopt;
}

}  // namespace

bool is_repository_name(std::string_view text) {
  return std::count(text.begin(), text.end(), '/') <= 1 && all_parts(text, is_name_part);
}

bool is_revision_name(std::string_view text) {
  if (text.empty() || text.size() > kRevisionBytesMax) return false;
  const auto is_allowed = [](char letter) {
    return !is_control(letter) && std::string_view(" ~^:?*[\\@").find(letter) == std::string_view::npos;
  };
  const auto is_good_part = [](std::string_view part) {
    return !part.empty() && part.front() != '.' && part.front() != '-' && part.find("..") == std::string_view::npos;
  };
  return std::all_of(text.begin(), text.end(), is_allowed) && all_parts(text, is_good_part);
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_repository_path(std::string_view path) {
  if (path.empty() || path.size() > kPathBytesMax) return false;
  const auto is_bad = [](char letter) { return is_control(letter) || letter == '\\'; };
  constexpr size_t kFileNameBytesMax = 255;
  const auto is_good_part = [](std::string_view part) {
    return !part.empty() && part != "." && part != ".." && part.size() <= kFileNameBytesMax;
  };
  return std::none_of(path.begin(), path.end(), is_bad) && all_parts(path, is_good_part);
}

std::optional<HubName> parse_hub_name(std::string_view text) {
  const std::string_view whole = text;
  const bool is_dataset = take_prefix(text, kDatasetPrefix);
  bool has_prefix = is_dataset;
  for (const std::string_view prefix : kPrefixes) {
    if (take_prefix(text, prefix)) {
      has_prefix = true;
      break;
    }
  }
  HubName name = split(text);
  name.kind = is_dataset ? HubKind::kDataset : HubKind::kModel;
  const std::optional<std::string> problem = problem_of(name, text);
  if (!problem && (has_prefix || name.repository.find('/') != std::string::npos)) return name;
  if (!has_prefix) return std::nullopt;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}; expected {}hf:ORG/NAME[:FILE][@REVISION]",
                                                       in_quotes(whole), *problem, is_dataset ? kDatasetPrefix : ""));
}

std::string to_string(const HubName& name) {
  return fmt::format("{}hf:{}{}{}{}{}", name.kind == HubKind::kDataset ? kDatasetPrefix : "", name.repository,
                     name.glob.empty() ? "" : ":", name.glob, name.revision ? "@" : "", name.revision.value_or(""));
}

}  // namespace pelton
