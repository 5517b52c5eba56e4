#include "hub/hub_api.h"

#include <fmt/format.h>

#include <limits>

#include "base/json.h"
#include "hub/header_values.h"
#include "io/in_quotes.h"

namespace pelton {
namespace {

constexpr size_t kAnswerBytesMax = 32 << 20;
constexpr size_t kFilesMax = 100'000;
constexpr int kPagesMax = 150;  // of 1000 files

std::string kind_word(const HubName& name) { return name.kind == HubKind::kDataset ? "data set" : "model"; }

Url api_url(const HubAccess& access, const HubName& name, std::string_view rest) {
  Url url = access.endpoint;
  const std::string base = url.target == "/" ? "" : url.target;
  url.target = fmt::format("{}/api/{}/{}/{}", base, name.kind == HubKind::kDataset ? "datasets" : "models",
                           name.repository, rest);
  return url;
}

json::value parse_answer(const std::string& body, const std::string& what) {
  try {
    return parse_json(body, what, {.depth_max = 64, .bytes_max = kAnswerBytesMax});
  } catch (const Error& error) {
    throw Error(
        ErrorCode::kCorruptFile,
        fmt::format("{}: the answer is not what a hub gives (is HF_ENDPOINT right?): {}", what, error.message()));
  }
}

[[noreturn]] void fail(const std::string& what, const std::string& why) {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: the answer is not what a hub gives: {}", what, why));
}

HubFile read_file_entry(const JsonReader& entry, const std::string& what) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  HubFile file{.path = entry.string("path").value_or("")};
  if (!is_repository_path(file.path)) fail(what, fmt::format("{} as a file's name", in_quotes(file.path)));
  const json::object* lfs = entry.object("lfs");
  const JsonReader source = lfs != nullptr ? JsonReader(*lfs, "lfs") : entry;
  const auto size = source.integer("size", 0, kMax);
  file.checksum.kind = lfs != nullptr ? ChecksumKind::kSha256 : ChecksumKind::kGitSha1;
  file.checksum.hex = source.string("oid").value_or("");
  const size_t digits = lfs != nullptr ? 64 : 40;
  if (!size || file.checksum.hex.size() != digits || !is_content_hash(file.checksum.hex)) {
    fail(what, fmt::format("{} has no size or no checksum", in_quotes(file.path)));
  }
  file.size_bytes = *size;
  return file;
}

}  // namespace

Url file_url(const HubAccess& access, const HubName& name, std::string_view commit, std::string_view path) {
  Url url = access.endpoint;
  const std::string base = url.target == "/" ? "" : url.target;
  url.target = fmt::format("{}/{}{}/resolve/{}/{}", base, name.kind == HubKind::kDataset ? "datasets/" : "",
                           name.repository, percent_encode(commit), percent_encode(path, "/"));
  return url;
}

std::string page_url(const HubAccess& access, const HubName& name) {
  Url url = access.endpoint;
  const std::string base = url.target == "/" ? "" : url.target;
  url.target = fmt::format("{}/{}{}", base, name.kind == HubKind::kDataset ? "datasets/" : "", name.repository);
  return to_string(url);
}

Error error_of_status(const HubAccess& access, const HubName& name, std::string_view path, const HttpHead& head) {
  const std::string code = head.field("X-Error-Code").value_or("");
  const std::string subject = fmt::format("the {} {}", kind_word(name), name.repository);
  const std::string said =
      head.field("X-Error-Message") ? fmt::format(" (the hub: {})", in_quotes(*head.field("X-Error-Message"))) : "";
  if (code == "GatedRepo") {
    const std::string login =
        access.token ? "the account of your token has not been let in" : "and set HF_TOKEN to a token of that account";
    return Error(ErrorCode::kPermission, access.token ? fmt::format("{} is gated, and {}: accept the terms at {}",
                                                                    subject, login, page_url(access, name))
                                                      : fmt::format("{} is gated: accept the terms at {} {}", subject,
                                                                    page_url(access, name), login));
  }
  if (head.status == 401 && code != "RepoNotFound" && access.token) {
    return Error(
        ErrorCode::kPermission,
        fmt::format("the hub does not accept the token (HF_TOKEN, or the file that `hf auth login` writes) for {}{}",
                    subject, said));
  }
  if (head.status == 401) {  // the hub does not say whether a private repository exists
    return Error(ErrorCode::kPermission, fmt::format("{} does not exist, or is private{}{}", subject,
                                                     access.token ? " and your token may not read it"
                                                                  : ": HF_TOKEN sets a token that may read it",
                                                     said));
  }
  if (head.status == 403) {
    return Error(ErrorCode::kPermission,
                 fmt::format("the hub refuses {}: {}{}", subject,
                             access.token ? "the token may not read it (a fine-grained one needs that right)"
                                          : fmt::format("look at {}, and set HF_TOKEN", page_url(access, name)),
                             said));
  }
  if (head.status == 404 && code == "RevisionNotFound") {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} has no revision {}", subject, in_quotes(name.revision_or_main())));
  }
  if (head.status == 404 && !path.empty() && code != "RepoNotFound") {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} has no file {} at revision {}", subject, in_quotes(path), name.revision_or_main()));
  }
  if (head.status == 404) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("there is no {} {} at {}", kind_word(name), name.repository, to_display(access.endpoint)));
  }
  if (head.status == 429) {
    const auto wait = head.field("Retry-After");
    return Error(
        ErrorCode::kResourceExhausted,
        fmt::format("the hub limits how often it may be asked (status 429{}); {}run the same command again later",
                    wait ? fmt::format(", Retry-After: {}", in_quotes(*wait)) : "",
                    access.token ? "" : "it allows more with HF_TOKEN set; "));
  }
  return Error(ErrorCode::kUnavailable, fmt::format("{}: {} answers with status {}{}", subject,
                                                    authority_of(access.endpoint), head.status, said));
}

HubRevision HubApi::revision(const HubName& name) {
  const std::string what = fmt::format("looking up {}", to_string(name));
  const Url url = api_url(access_, name, "revision/" + percent_encode(name.revision_or_main()));
  const SmallAnswer answer = fetch_small(client_, access_, url, kAnswerBytesMax, what);
  if (answer.head.status != 200) throw error_of_status(access_, name, {}, answer.head);
  const json::value root = parse_answer(answer.body, what);
  if (!root.is_object()) fail(what, "no object");
  HubRevision revision;
  const json::value* sha = root.get_object().if_contains("sha");
  if (sha != nullptr && sha->is_string()) revision.commit = sha->get_string();
  if (!is_commit(revision.commit)) fail(what, "no commit in it");
  const json::value* card = root.get_object().if_contains("cardData");
  if (card != nullptr && card->is_object()) revision.license = license_of_json(card->get_object());
  return revision;
}

std::vector<HubFile> HubApi::files(const HubName& name, const std::string& commit) {
  const std::string what = fmt::format("listing the files of {}", to_string(name));
  std::vector<HubFile> files;
  Url url = api_url(access_, name, fmt::format("tree/{}?recursive=true", commit));
  for (int page = 0; page < kPagesMax; ++page) {
    const SmallAnswer answer = fetch_small(client_, access_, url, kAnswerBytesMax, what);
    if (answer.head.status != 200) throw error_of_status(access_, name, {}, answer.head);
    const json::value root = parse_answer(answer.body, what);
    if (!root.is_array()) fail(what, "no list");
    try {
      for (const json::value& value : root.get_array()) {
        const JsonReader entry = JsonReader::of(value, "entry");
        if (entry.string("type") != "file") continue;
        files.push_back(read_file_entry(entry, what));
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      fail(what, error.message());
    }
    if (files.size() > kFilesMax) fail(what, fmt::format("more than {} files", kFilesMax));
    const auto link = answer.head.field("Link");
    const auto next = link ? next_link(*link) : std::nullopt;
    if (!next) return files;
    // A mirror may hand on the hub's own address: the page is asked for where the first one was.
    url.target = resolve_url(url, *next).target;
  }
  fail(what, fmt::format("more than {} pages", kPagesMax));
}

}  // namespace pelton
