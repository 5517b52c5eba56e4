// The endpoints, one file each; route_table.cc has the list. Each throws Error or HttpError before it answers, or
// answers.
//
// Those named prepare_… may take seconds (a long prompt) and run on a worker, where they must not touch the reply: they
// return what begins the answer, for the reply's strand.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/api_context.h"
#include "server/http/message.h"

namespace pelton::routes {

struct Call {
  const ApiContext& context;
  HttpRequest request;
  std::string parameter;  // what stood for "{…}" in the route's path
  std::shared_ptr<Reply> reply;
  std::shared_ptr<Caller> caller;  // null: nobody's in particular
  ModelSet::IsWanted is_wanted = nullptr;

  // Error: that of find_model.
  std::string model_name(const std::optional<std::string>& name) const {
    return find_model(context, caller.get(), name);
  }
  // Of it; waits until it is loaded. Errors: those of load_model as well.
  AskedModel model(const std::optional<std::string>& name) const {
    return load_model(context, model_name(name), is_wanted);
  }
  // The same where adapters have no part in the answer. Error kUnsupported as well: it is an adapter's name.
  AskedModel base_model(const std::optional<std::string>& name) const;
};

using Start = std::function<void()>;  // may throw as above

void health(const Call& call);
void ready(const Call& call);
void version(const Call& call);
void metrics(const Call& call);
void openapi(const Call& call);
void list_models(const Call& call);
void show_model(const Call& call);
Start prepare_chat(const Call& call);
Start prepare_text(const Call& call);
Start prepare_responses(const Call& call);
Start prepare_messages(const Call& call);
Start prepare_count_tokens(const Call& call);
Start prepare_embeddings(const Call& call);
Start prepare_rerank(const Call& call);
Start prepare_classify(const Call& call);
Start prepare_tokenize(const Call& call);
Start prepare_detokenize(const Call& call);
Start prepare_template(const Call& call);
Start prepare_load_adapter(const Call& call);
Start prepare_unload_adapter(const Call& call);
Start prepare_upload_file(const Call& call);
Start prepare_list_files(const Call& call);
Start prepare_show_file(const Call& call);
Start prepare_file_content(const Call& call);
Start prepare_delete_file(const Call& call);
Start prepare_create_job(const Call& call);
Start prepare_list_jobs(const Call& call);
Start prepare_show_job(const Call& call);
Start prepare_job_events(const Call& call);
Start prepare_job_checkpoints(const Call& call);
Start prepare_cancel_job(const Call& call);
Start prepare_pause_job(const Call& call);
Start prepare_delete_model(const Call& call);

}  // namespace pelton::routes
