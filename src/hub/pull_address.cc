#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/file.h"
#include "hub/checksum.h"
#include "hub/file_choice.h"
#include "hub/header_values.h"
#include "hub/pull.h"
#include "hub/pull_access.h"
#include "io/gguf.h"
#include "io/hub/file_lock.h"
#include "io/hub/model_store.h"
#include "io/in_quotes.h"
#include "io/path_exists.h"

namespace pelton {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kGguf = ".gguf";

int hex_value(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    decoded += low >= 0 ? static_cast<char>(high * 16 + low) : text[i];
    if (low >= 0) i += 2;
  }
  return decoded;
}

std::vector<std::string> path_parts(const Url& url) {
  std::vector<std::string> parts;
  std::string_view path = std::string_view(url.target).substr(0, url.target.find('?'));
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const size_t end = std::min(path.find('/'), path.size());
    if (end > 0) parts.push_back(percent_decode(path.substr(0, end)));
    path.remove_prefix(end);
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, size_t begin) {
  return fmt::format(
      "{}", fmt::join(parts.begin() + static_cast<ptrdiff_t>(std::min(begin, parts.size())), parts.end(), "/"));
}

// What the server says of a file before it is fetched.
struct RemoteFile {
  int64_t size_bytes = 0;
  std::string etag;  // strong, as it came; empty: none
  std::string last_modified;
};

[[noreturn]] void refuse_kind(const std::string& file) {
  if (can_run_code(file)) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{} is of a format that can run code when it is read; pull the same model as GGUF or safetensors",
                    in_quotes(file)));
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: by their address only GGUF files are pulled, since one file is one "
                          "model there; for folders there is `pelton pull hf:ORG/NAME`",
                          in_quotes(file)));
}

class AddressPull {
 public:
  AddressPull(const Url& url, const HubEnvironment& environment, const PullOptions& options, PullObserver& observer)
      : url_(url), environment_(environment), options_(options), observer_(observer), store_(cache_folder()) {}

  PullResult run() {
    const std::vector<std::string> parts = path_parts(url_);
    const std::string file = parts.empty() ? "" : parts.back();
    if (!file.ends_with(kGguf)) refuse_kind(file);
    model_.name = options_.name.value_or(file.substr(0, file.size() - kGguf.size()));
    if (!is_short_name(model_.name)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{} is no short name (letters, digits, '-', '_', '.'); --name "
                              "gives it another one",
                              in_quotes(model_.name)));
    }
    model_.path = store_.gguf_path(model_.name);
    model_.url = to_display(url_);
    if (environment_.is_offline) return find_offline();

    const HubAccess access = make_access(environment_, options_, observer_, stops_);
    const RemoteFile remote = probe(access);
    const bool is_there = check_place(remote);
    PullResult result{.path = model_.path};
    result.plan = {.source = model_.url,
                   .file_count = 1,
                   .total_bytes = remote.size_bytes,
                   .missing_bytes = is_there ? 0 : remote.size_bytes};
    observer_.on_plan(result.plan);
    if (!options_.is_dry_run && !is_there) fetch_file(access, remote, result);
    result.plan.license = model_.license;
    result.files = {{.path = model_.path.filename().string(), .size_bytes = remote.size_bytes, .blob = model_.sha256}};
    return result;
  }

 private:
  PullResult find_offline() {
    const auto stored = store_.find(model_.name);
    if (!stored || stored->url != model_.url) {
      throw Error(ErrorCode::kUnavailable,
                  fmt::format("HF_HUB_OFFLINE is set, and {} has not been pulled from {}", model_.name, model_.url));
    }
    PullResult result{.path = stored->path, .is_offline = true};
    result.plan = {
        .source = model_.url, .license = stored->license, .file_count = 1, .total_bytes = stored->size_bytes};
    result.files = {
        {.path = stored->path.filename().string(), .size_bytes = stored->size_bytes, .blob = stored->sha256}};
    observer_.on_plan(result.plan);
    return result;
  }

  // Asks for the first byte: that tells size and ETag, and unlike HEAD every store of files answers it.
  RemoteFile probe(const HubAccess& access) {
    HttpClient client(access.http);
    RetryPolicy policy(access.retry);
    for (;;) {
      const Fetched fetched = fetch(
          client, access, url_, {{"Range", "bytes=0-0"}}, [](auto&, auto&) { return false; },
          [](auto) { return false; });
      const HttpHead& head = fetched.head;
      const bool is_good = !fetched.failure && (head.status == 200 || head.status == 206);
      if (is_good) return read_head(head);
      const std::string why = fetched.failure
                                  ? fetched.failure->message
                                  : fmt::format("{} answers with status {}", authority_of(fetched.url), head.status);
      const bool is_final = fetched.failure ? fetched.failure->is_permanent : !is_transient_status(head.status);
      if (!is_final && wait_for_retry(access, policy, fetched.failure ? nullptr : &head, why)) continue;
      const bool is_denied = !fetched.failure && (head.status == 401 || head.status == 403);
      const bool is_missing = !fetched.failure && (head.status == 404 || head.status == 410);
      throw Error(is_denied    ? ErrorCode::kPermission
                  : is_missing ? ErrorCode::kNotFound
                               : ErrorCode::kUnavailable,
                  fmt::format("{}: {}", model_.url, why));
    }
  }

  RemoteFile read_head(const HttpHead& head) const {
    RemoteFile remote;
    const auto range = parse_content_range(head.field("Content-Range").value_or(""));
    const std::optional<int64_t> size =
        head.status == 206 ? (range ? std::optional(range->size_bytes) : std::nullopt) : head.content_length;
    if (!size || head.field("Content-Encoding").value_or("identity") != "identity") {
      throw Error(ErrorCode::kUnsupported, fmt::format("{}: the server does not tell the file's size", model_.url));
    }
    remote.size_bytes = *size;
    const std::string etag = head.field("ETag").value_or("");
    const bool is_printable =
        std::all_of(etag.begin(), etag.end(), [](char letter) { return letter > 0x20 && letter < 0x7F; });
    if (!etag.starts_with("W/") && is_printable) remote.etag = etag;
    remote.last_modified = head.field("Last-Modified").value_or("");
    return remote;
  }

  // Whether the very file is there already. Error kInvalidArgument: another one is.
  bool check_place(const RemoteFile& remote) {
    const auto stored = store_.find(model_.name);
    if (!stored) return false;
    const bool is_same = stored->url == model_.url && stored->size_bytes == remote.size_bytes &&
                         stored->etag == remote.etag && !remote.etag.empty() &&
                         (!options_.sha256 || stored->sha256 == *options_.sha256);
    if (!is_same) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("there is another model called {} already ({}); remove it with `pelton rm {}`, or call this "
                      "one otherwise with --name",
                      model_.name, stored->url.empty() ? stored->path.string() : "from " + stored->url, model_.name));
    }
    model_ = *stored;
    return true;
  }

  void fetch_file(const HubAccess& access, const RemoteFile& remote, PullResult& result) {
    for (const fs::path& folder : {store_.models_folder(), store_.downloads_folder()}) {
      std::error_code error;
      fs::create_directories(folder, error);
      if (error) throw Error(ErrorCode::kIo, fmt::format("cannot make {}: {}", folder.string(), error.message()));
    }
    check_free_space(store_.downloads_folder(), remote.size_bytes);
    const fs::path whole = store_.downloads_folder() / (model_.name + ".gguf");
    DownloadItem item{.name = whole.filename().string(), .url = url_, .size_bytes = remote.size_bytes};
    // What nothing identifies is never gone on with: two halves of two files could meet.
    const std::string unique =
        fmt::format("once {} {}", ::getpid(), std::chrono::system_clock::now().time_since_epoch().count());
    item.identity = options_.sha256                 ? *options_.sha256
                    : !remote.etag.empty()          ? remote.etag
                    : !remote.last_modified.empty() ? in_quotes(remote.last_modified)
                                                    : unique;
    if (!remote.etag.empty()) item.if_range = remote.etag;
    if (options_.sha256) item.checksum = Checksum{ChecksumKind::kSha256, *options_.sha256};
    item.target = whole;
    item.partial = store_.downloads_folder() / (model_.name + ".gguf.incomplete");
    item.lock = store_.downloads_folder() / (model_.name + ".lock");
    std::error_code ignored;
    fs::remove(whole, ignored);  // of a run that ended before it was checked
    const DownloadOptions download_options{.connection_count = options_.connection_count};
    download({item}, access, download_options, [&](const DownloadProgress& progress) {
      result.transferred_bytes = progress.transferred_bytes;
      observer_.on_progress(progress);
    });
    keep(whole, remote);
  }

  void keep(const fs::path& whole, const RemoteFile& remote) {
    try {
      model_.license.id = GgufFile::open_part(whole)->string("general.license").value_or("");
    } catch (const Error& error) {
      std::error_code ignored;
      fs::remove(whole, ignored);
      throw Error(ErrorCode::kCorruptFile,
                  fmt::format("what {} sent is no GGUF file, and was thrown away ({})", model_.url, error.message()));
    }
    model_.sha256 = options_.sha256 ? *options_.sha256 : compute_checksum(whole, ChecksumKind::kSha256);
    model_.etag = remote.etag;
    model_.size_bytes = remote.size_bytes;
    std::error_code error;
    fs::rename(whole, model_.path, error);
    if (error) throw Error(ErrorCode::kIo, fmt::format("cannot rename {}: {}", whole.string(), error.message()));
    store_.write_manifest(model_);
  }

  const Url& url_;
  const HubEnvironment& environment_;
  const PullOptions& options_;
  PullObserver& observer_;
  const ModelStore store_;
  std::atomic<bool> stops_{false};
  StoredModel model_;
};

}  // namespace

std::optional<HubName> hub_name_of_address(const Url& url, const Url& endpoint) {
  if (!url.has_origin_of(endpoint) || endpoint.target != "/") return std::nullopt;
  std::vector<std::string> parts = path_parts(url);
  HubName name;
  if (!parts.empty() && parts.front() == "datasets") {
    name.kind = HubKind::kDataset;
    parts.erase(parts.begin());
  }
  if (parts.size() < 2) return std::nullopt;
  name.repository = parts[0] + "/" + parts[1];
  if (!is_repository_name(name.repository)) return std::nullopt;
  if (parts.size() == 2) return name;
  const std::string& verb = parts[2];
  if (parts.size() < 4 || (verb != "resolve" && verb != "blob" && verb != "raw" && verb != "tree")) return std::nullopt;
  if (!is_revision_name(parts[3])) return std::nullopt;
  name.revision = parts[3];
  if (parts.size() > 4) name.glob = join(parts, 4) + (verb == "tree" ? "/*" : "");
  return name;
}

PullResult pull_address(const Url& url, const HubEnvironment& environment, const PullOptions& options,
                        PullObserver& observer) {
  return AddressPull(url, environment, options, observer).run();
}

}  // namespace pelton
