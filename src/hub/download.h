// Files onto the disk: several connections, large files in ranges, each file checked and put in its place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "hub/checksum.h"
#include "hub/hub_session.h"
#include "hub/partial_file.h"

namespace pelton {

struct DownloadItem {
  std::string name;  // for messages
  Url url;
  int64_t size_bytes = 0;
  std::optional<Checksum> checksum;     // nothing: the size is all that is known
  std::string identity;                 // what the partial file is kept for: the checksum, or the server's ETag
  std::optional<std::string> if_range;  // the ETag: the server is to send ranges of this very file only

  std::filesystem::path target;
  std::filesystem::path partial;          // with ".ranges" for ".incomplete" beside it
  std::filesystem::path foreign_partial;  // that huggingface_hub may have left; empty: none
  std::filesystem::path lock;
};

struct DownloadOptions {
  int connection_count = 8;
  // What a status of the item's own host means (hub_api.h); else a sentence with the number.
  std::function<Error(const DownloadItem&, const HttpHead&)> error_of_status;
  // Once a file is in its place, whoever put it there. Any thread, one call at a time.
  std::function<void(const DownloadItem&)> on_done;
};

struct DownloadProgress {
  int64_t done_bytes = 0;  // of total_bytes; what was there already counts
  int64_t total_bytes = 0;
  int64_t transferred_bytes = 0;  // that this call has received
  int64_t unchecked_bytes = 0;    // of files whose checksum is being computed: still to be read
};

// `on_tick` is called on the caller's thread, some times a second. Errors, after which what has come is kept unless it
// is wrong: those of fetch() and error_of_status; kUnavailable (no progress any more); kCorruptFile (another size or
// checksum than the hub says; that file is thrown away); kResourceExhausted (disk full, 429), kIo; what on_tick throws.
void download(const std::vector<DownloadItem>& items, const HubAccess& access, const DownloadOptions& options,
              const std::function<void(const DownloadProgress&)>& on_tick);

// Error kResourceExhausted: the file system of `folder` has fewer bytes free than that.
void check_free_space(const std::filesystem::path& folder, int64_t needed_bytes);

}  // namespace pelton
