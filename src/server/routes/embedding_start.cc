#include "server/routes/embedding_start.h"

#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "server/http/http_error.h"

namespace pelton::routes {
namespace {

// On the engine's thread: hands over and returns.
class EmbeddingJob final : public EmbeddingSink {
 public:
  EmbeddingJob(std::shared_ptr<Reply> reply, MakeBody make_body)
      : reply_(std::move(reply)), make_body_(std::move(make_body)) {}

  void on_finish(std::vector<std::vector<float>> numbers) override {
    reply_->post([reply = reply_, make_body = std::move(make_body_), numbers = std::move(numbers)]() mutable {
      reply->respond({.body = to_json_text(make_body(std::move(numbers)))});
    });
  }
  void on_error(const Error& error) override {
    reply_->post([reply = reply_, response = HttpError(error).response()] { reply->respond(response); });
  }

 private:
  std::shared_ptr<Reply> reply_;
  MakeBody make_body_;
};

template <typename Request>
Start start(const Call& call, const AskedModel& model, Request request, int64_t token_count, MakeBody make_body) {
  return [served = model.served, reply = call.reply, caller = call.caller, request = std::move(request), token_count,
          make_body = std::move(make_body)]() mutable {
    if (caller) caller->charge_tokens(token_count);
    const RequestId id =
        served->engine->submit(std::move(request), std::make_shared<EmbeddingJob>(reply, std::move(make_body)));
    reply->on_abandoned([served, id] { served->engine->cancel(id); });
  };
}

}  // namespace

Start start_embedding(const Call& call, const AskedModel& model, EmbeddingRequest request, int64_t token_count,
                      MakeBody make_body) {
  return start(call, model, std::move(request), token_count, std::move(make_body));
}

Start start_classification(const Call& call, const AskedModel& model, ClassificationRequest request,
                           int64_t token_count, MakeBody make_body) {
  return start(call, model, std::move(request), token_count, std::move(make_body));
}

}  // namespace pelton::routes
