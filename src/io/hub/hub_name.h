// What a user calls a repository on a hub, and the rules for names that come from users and from hubs: they become
// paths in the cache and parts of URLs, so whatever could leave either is refused here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pelton {

enum class HubKind { kModel, kDataset };

inline constexpr std::string_view kDefaultRevision = "main";

// "hf:ORG/NAME[:GLOB][@REVISION]", with "dataset:" before it for a data set.
struct HubName {
  HubKind kind = HubKind::kModel;
  std::string repository;               // "ORG/NAME"; "NAME" for an old one without an owner
  std::string glob;                     // which files (glob.h); empty: none named
  std::optional<std::string> revision;  // branch, tag, "refs/pr/1" or commit; none named: kDefaultRevision

  std::string revision_or_main() const { return revision.value_or(std::string(kDefaultRevision)); }
};

// Nothing: the text is no hub's name at all (it has none of the prefixes and is not of the form ORG/NAME).
// Error kInvalidArgument: it has a prefix and breaks the rules.
std::optional<HubName> parse_hub_name(std::string_view text);

// In the form that parse_hub_name() reads.
std::string to_string(const HubName& name);

// Letters, digits, '-', '_', '.'; at most one '/'; no "--" and no ".."; no part begins or ends with '-' or '.'.
bool is_repository_name(std::string_view text);
// What git allows, less what a shell or a path could misread.
bool is_revision_name(std::string_view text);
// 40 hexadecimal digits in lower case.
bool is_commit(std::string_view text);
// A file's path inside a repository: relative, no empty, "." or ".." part, no control characters, no backslash.
bool is_repository_path(std::string_view path);

}  // namespace pelton
