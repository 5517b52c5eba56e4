// The hub's own interface: what a revision is, and which files it has. https://huggingface.co/docs/hub/api
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hub/checksum.h"
#include "hub/hub_session.h"
#include "io/hub/hub_name.h"
#include "io/hub/license.h"

namespace pelton {

struct HubRevision {
  std::string commit;
  License license;  // by the card
};

struct HubFile {
  std::string path;
  int64_t size_bytes = 0;
  Checksum checksum;  // names the blob too
};

// One thread. Errors of both requests: kPermission (401, 403), kNotFound (404: says what of it), kResourceExhausted
// (429 and no end of it), kUnavailable (no connection, 5xx), kCorruptFile (an answer that is not the hub's).
class HubApi {
 public:
  HubApi(HttpClient& client, const HubAccess& access) : client_(client), access_(access) {}

  HubRevision revision(const HubName& name);
  // In the hub's order. Names that could leave the cache's folder are an error, not left out.
  std::vector<HubFile> files(const HubName& name, const std::string& commit);

 private:
  HttpClient& client_;
  const HubAccess& access_;
};

// Where the bytes of a file are asked for.
Url file_url(const HubAccess& access, const HubName& name, std::string_view commit, std::string_view path);
// The page for people, where terms are accepted.
std::string page_url(const HubAccess& access, const HubName& name);

// What a status that is not 200 means, as a sentence. `path`: the file that was asked for; empty: the repository.
Error error_of_status(const HubAccess& access, const HubName& name, std::string_view path, const HttpHead& head);

}  // namespace pelton
