// OpenAI's /v1/files: what jobs of /v1/fine_tuning/jobs learn from.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/unix_time.h"
#include "server/http/multipart.h"
#include "server/openai/list_query.h"
#include "server/routes/fine_tuning_access.h"
#include "text/utf8.h"

namespace pelton::routes {
namespace {

constexpr std::string_view kPurpose = "fine-tune";

struct Upload {
  std::string name;
  std::string_view contents;
};

[[noreturn]] void refuse(const std::string& parameter, const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, parameter + ": " + reason, parameter);
}

Upload read_upload(const HttpRequest& request) {
  Upload upload;
  bool has_purpose = false;
  for (const MultipartPart& part : parse_multipart(request.content_type, request.body)) {
    if (part.name == "purpose") {
      if (part.body != kPurpose) refuse("purpose", fmt::format("only \"{}\" is supported", kPurpose));
      has_purpose = true;
    } else if (part.name == "file") {
      if (!part.file_name) refuse("file", "it is no file: it has no filename");
      upload = {*part.file_name, part.body};
    } else {
      refuse(find_invalid_utf8(part.name) ? "a part" : part.name, "unknown field");
    }
  }
  if (!has_purpose) refuse("purpose", "it is missing");
  if (upload.name.empty()) refuse("file", "it is missing");
  if (find_invalid_utf8(upload.name)) refuse("file", "its filename is not UTF-8");
  // Others that `pelton tune` reads would have to be unpacked, which takes more than they are long.
  if (!upload.name.ends_with(".jsonl")) refuse("file", "its name must end in .jsonl: one JSON object a line");
  return upload;
}

}  // namespace

Start prepare_upload_file(const Call& call) {
  FineTuning& fine_tuning = fine_tuning_of(call);
  const Upload upload = read_upload(call.request);
  const StoredFile file = fine_tuning.files().add({.id = new_id("file-"),
                                                   .owner = owner_of(call),
                                                   .name = upload.name,
                                                   .purpose = std::string(kPurpose),
                                                   .created_s = unix_seconds()},
                                                  upload.contents);
  log::info(fmt::format("the file {} was uploaded: {} bytes", file.id, file.bytes));
  return answer_with(call, to_json(file));
}

Start prepare_list_files(const Call& call) {
  FineTuning& fine_tuning = fine_tuning_of(call);
  const openai::ListQuery query = openai::parse_file_list_query(call.request.query);
  std::vector<json::object> files;
  for (const StoredFile& file : fine_tuning.files().list(owner_of(call))) {
    if (!query.purpose || file.purpose == *query.purpose) files.push_back(to_json(file));
  }
  if (query.is_ascending) std::reverse(files.begin(), files.end());
  return answer_with(call, openai::list_answer(openai::page_of(files, query)));
}

Start prepare_show_file(const Call& call) {
  return answer_with(call, to_json(fine_tuning_of(call).files().find(call.parameter, owner_of(call))));
}

Start prepare_file_content(const Call& call) {
  const FileStore& files = fine_tuning_of(call).files();
  std::string contents = files.contents(files.find(call.parameter, owner_of(call)));
  return [reply = call.reply, contents = std::move(contents)]() mutable {
    reply->respond({.body = std::move(contents), .content_type = "application/octet-stream"});
  };
}

Start prepare_delete_file(const Call& call) {
  fine_tuning_of(call).delete_file(call.parameter, owner_of(call));
  return answer_with(call, {{"id", call.parameter}, {"object", "file"}, {"deleted", true}});
}

}  // namespace pelton::routes
