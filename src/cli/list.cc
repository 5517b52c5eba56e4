// `pelton list`: what the caches hold.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_size.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/printable.h"
#include "io/hub/hub_cache.h"
#include "io/hub/hub_environment.h"
#include "io/hub/model_store.h"
#include "report/text_table.h"

namespace pelton::cli {
namespace {

constexpr const char* kNotes =
    "There are two caches: huggingface_hub's (HF_HOME, HF_HUB_CACHE), where `pelton pull hf:…` puts models and data "
    "sets, and\n"
    "Pelton's own (PELTON_CACHE) of GGUF files under short names. Every name can be given to -m, and to `pelton rm`. "
    "A\n"
    "blob that several revisions share counts once in a repository's size. \"damaged\": files are missing.\n"
    "\n"
    "Examples:\n"
    "  pelton list\n"
    "  pelton list --json | jq '.entries[] | [.name, .bytes]'\n"
    "  pelton list --json | jq -r '.entries[].name'\n";

constexpr size_t kCellBytesMax = 100;

struct ListOptions {
  bool as_json = false;
};

struct Caches {
  HubCache hub;
  ModelStore own;
  std::vector<CachedRepository> repositories;
  std::vector<StoredModel> models;
};

Caches read_caches() {
  Caches caches{.hub = HubCache(read_hub_environment().cache), .own = ModelStore(cache_folder())};
  caches.repositories = caches.hub.list();
  caches.models = caches.own.list();
  return caches;
}

std::string name_of(const CachedRepository& repository) {
  return to_string(HubName{.kind = repository.kind, .repository = repository.name});
}

void add_license(const License& license, json::object& object) {
  for (const auto& [key, value] : to_json(license)) {
    object[key] = value.is_string() ? json::value(valid_utf8(value.get_string())) : value;
  }
}

json::object revision_to_json(const CachedRevision& revision) {
  json::array refs;
  for (const std::string& ref : revision.refs) refs.push_back(json::value(valid_utf8(ref)));
  json::array files;
  for (const CachedFile& file : revision.files) {
    files.push_back({{"path", valid_utf8(file.path)},
                     {"bytes", file.size_bytes ? json::value(*file.size_bytes) : json::value(nullptr)}});
  }
  json::object object = {{"commit", revision.commit},
                         {"refs", std::move(refs)},
                         {"bytes", revision.size_bytes()},
                         {"damaged", revision.is_damaged()}};
  add_license(revision.license, object);
  object["files"] = std::move(files);
  return object;
}

json::object to_json(const Caches& caches) {
  json::array entries;
  for (const CachedRepository& repository : caches.repositories) {
    json::array revisions;
    for (const CachedRevision& revision : repository.revisions) revisions.push_back(revision_to_json(revision));
    entries.push_back({{"name", name_of(repository)},
                       {"kind", repository.kind == HubKind::kDataset ? "dataset" : "model"},
                       {"cache", "hub"},
                       {"path", valid_utf8(repository.folder.string())},
                       {"bytes", repository.size_bytes},
                       {"incomplete_bytes", repository.incomplete_bytes},
                       {"revisions", std::move(revisions)}});
  }
  for (const StoredModel& model : caches.models) {
    json::object entry = {{"name", valid_utf8(model.name)},
                          {"kind", "model"},
                          {"cache", "pelton"},
                          {"path", valid_utf8(model.path.string())},
                          {"bytes", model.size_bytes},
                          {"url", model.url.empty() ? json::value(nullptr) : json::value(valid_utf8(model.url))}};
    add_license(model.license, entry);
    entries.push_back(std::move(entry));
  }
  return {{"hub_cache", valid_utf8(caches.hub.folder().string())},
          {"models_folder", valid_utf8(caches.own.models_folder().string())},
          {"entries", std::move(entries)}};
}

std::string revision_name(const CachedRevision& revision) {
  constexpr size_t kCommitDigits = 12;
  return revision.refs.empty() ? revision.commit.substr(0, kCommitDigits)
                               : one_line(fmt::format("{}", fmt::join(revision.refs, ", ")), kCellBytesMax);
}

std::string cell(const std::string& text) { return one_line(text, kCellBytesMax); }

std::string to_text(const Caches& caches) {
  TextTable table({{"NAME", Align::kLeft},
                   {"REVISION", Align::kLeft},
                   {"FILES", Align::kRight},
                   {"SIZE", Align::kRight},
                   {"LICENCE", Align::kLeft},
                   {"", Align::kLeft}});
  int64_t total_bytes = 0;
  for (const CachedRepository& repository : caches.repositories) {
    total_bytes += repository.size_bytes + repository.incomplete_bytes;
    const std::string unfinished =
        repository.incomplete_bytes > 0
            ? fmt::format("{} of a pull that did not end", format_byte_size(repository.incomplete_bytes))
            : "";
    if (repository.revisions.empty()) table.add_row({name_of(repository), "", "0", "", "", unfinished});
    for (const CachedRevision& revision : repository.revisions) {
      table.add_row({name_of(repository), revision_name(revision), std::to_string(revision.files.size()),
                     format_byte_size(revision.size_bytes()), cell(to_string(revision.license)),
                     revision.is_damaged() ? "damaged" : unfinished});
    }
  }
  for (const StoredModel& model : caches.models) {
    total_bytes += model.size_bytes;
    table.add_row({cell(model.name), "", "1", format_byte_size(model.size_bytes), cell(to_string(model.license)), ""});
  }
  const std::string where =
      fmt::format("{} and {}", cell(caches.hub.folder().string()), cell(caches.own.models_folder().string()));
  if (table.empty()) return fmt::format("Nothing in {}.\n", where);
  return fmt::format("{}{} in {}\n", table.to_string(), format_byte_size(total_bytes), where);
}

int list(const ListOptions& options) {
  const Caches caches = read_caches();
  if (options.as_json) {
    print_json(to_json(caches));
  } else {
    print_text(to_text(caches));
  }
  return 0;
}

}  // namespace

std::function<int()> add_list(CLI::App& app) {
  const auto options = std::make_shared<ListOptions>();
  app.add_flag("--json", options->as_json, "Print one JSON object");
  app.footer(kNotes);
  return [options] { return list(*options); };
}

}  // namespace pelton::cli
