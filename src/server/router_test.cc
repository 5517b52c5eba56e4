// Routes against a real engine on a fake model, without sockets.
#include "server/router.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>

#include "base/base64.h"
#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "server/http/http_error.h"

namespace pelton {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Pair;

// A reply whose strand is the test's thread: it works on what was posted while it waits for something.
class RecordingReply final : public Reply {
 public:
  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    changed_.notify_one();
  }
  void respond(HttpResponse response) override { response_ = std::move(response); }
  void begin_events() override { is_streaming_ = true; }
  void send_event(std::string_view name, std::string_view data) override {
    event_names_.emplace_back(name);
    events_.emplace_back(data);
  }
  void end_events() override { is_ended_ = true; }
  void on_abandoned(std::function<void()> callback) override { on_abandoned_ = std::move(callback); }
  void on_delivered(std::function<void(Duration)>) override {}

  bool is_answered() const { return response_.has_value(); }
  // What was posted first; waits for it.
  void work_once() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(5), [this] { return !posted_.empty(); }));
    const std::function<void()> work = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    work();
  }
  // Until there is an answer, `event_count` events or nothing for 5 s.
  void work(size_t event_count = std::numeric_limits<size_t>::max()) {
    while (!response_ && !is_ended_ && events_.size() < event_count) {
      ASSERT_NO_FATAL_FAILURE(work_once());
    }
  }
  void abandon() {
    if (on_abandoned_) on_abandoned_();
  }

  // As a connection that ends: what was posted and is never worked on holds the reply, as the callback does.
  void close() {
    std::deque<std::function<void()>> posted;
    {
      const std::lock_guard lock(mutex_);
      posted.swap(posted_);
    }
    on_abandoned_ = nullptr;
  }

  const HttpResponse& response() const { return response_.value(); }
  json::value body() const { return parse_json(response().body, "reply"); }
  const std::vector<std::string>& events() const { return events_; }
  const std::vector<std::string>& event_names() const { return event_names_; }
  bool is_streaming() const { return is_streaming_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> posted_;
  std::optional<HttpResponse> response_;
  std::vector<std::string> events_;
  std::vector<std::string> event_names_;
  std::function<void()> on_abandoned_;
  bool is_streaming_ = false;
  bool is_ended_ = false;
};

class RouterTest : public testing::Test {
 protected:
  // Answered, or what generates is submitted.
  std::shared_ptr<RecordingReply> ask(HttpRequest request) {
    const std::shared_ptr<RecordingReply> reply = send(std::move(request));
    if (!reply->is_answered()) reply->work_once();
    return reply;
  }
  std::shared_ptr<RecordingReply> send(HttpRequest request) {
    if (!engine_) start({});
    auto reply = std::make_shared<RecordingReply>();
    replies_.push_back(reply);
    dispatch(*context_, std::move(request), reply);
    return reply;
  }
  std::shared_ptr<RecordingReply> get(const std::string& path) { return ask({.method = "GET", .path = path}); }
  std::shared_ptr<RecordingReply> complete(const std::string& fields) {
    return ask({.method = "POST", .path = "/v1/completions", .body = "{" + fields + "}"});
  }

  void start(const EngineOptions& options) {
    auto bundle = std::make_shared<ModelBundle>(*fake_bundle(tokenizer_, {}));
    bundle->chat_template = chat_template_;
    bundle->model = model_;
    engine_ = std::make_shared<Engine>(bundle, options, [this] { return std::make_unique<FakeRunner>(runner_); });
    const ServedModel first{.engine = engine_,
                            .names = {"fake", "alias"},
                            .metrics = metrics_,
                            .fingerprint = "fp",
                            .prompt_bytes_max = prompt_bytes_max(*engine_),
                            .embedding = embedding_};
    models_.emplace(std::make_shared<const ServedModel>(first), others_, model_set_);
    context_.emplace(
        ApiContext{.models = *models_, .adapter_folder = adapter_folder_, .access = access_, .workers = *workers_});
  }

  void TearDown() override {
    if (models_) models_->stop();
    workers_.reset();
    models_.reset();
    engine_.reset();
    for (const std::shared_ptr<RecordingReply>& reply : replies_) reply->close();
  }

  std::vector<std::shared_ptr<RecordingReply>> replies_;
  FakeRunner::Options runner_;
  std::shared_ptr<const Tokenizer> tokenizer_ = FakeTokenizer::with_size(64);
  std::shared_ptr<const ChatTemplate> chat_template_;
  std::shared_ptr<const Model> model_;  // whose adapters can be loaded; the fake one computes
  std::optional<std::filesystem::path> adapter_folder_;
  std::shared_ptr<Metrics> metrics_ = std::make_shared<Metrics>(Metrics::Options{.model_name = "fake"});
  EmbeddingSettings embedding_;
  std::vector<ModelOnDemand> others_;
  ModelSetOptions model_set_;
  std::shared_ptr<Engine> engine_;
  std::optional<ModelSet> models_;
  Access access_{AccessOptions{}};
  std::optional<ApiContext> context_;
  std::unique_ptr<WorkerPool> workers_ = std::make_unique<WorkerPool>();  // the last: its jobs use all above
};

// One token for each byte, whenever the gate is open.
class GatedTokenizer final : public FakeTokenizer {
 public:
  GatedTokenizer() : FakeTokenizer({"a", "bc"}) {}
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions&) const override {
    ++encode_count;
    if (opened.valid()) {
      EXPECT_EQ(opened.wait_for(std::chrono::seconds(5)), std::future_status::ready);
    }
    return std::vector<TokenId>(text.size(), TokenId{0});
  }
  mutable std::atomic<int> encode_count = 0;
  std::shared_future<void> opened;
};

TEST_F(RouterTest, Health) {
  const auto reply = get("/health");
  EXPECT_EQ(reply->response().status, 200);
  EXPECT_EQ(reply->body().at("status"), "ok");
  EXPECT_EQ(reply->body().at("pages_used"), 0);
}

TEST_F(RouterTest, BrowsersMayAskFirst) {
  const auto reply = ask({.method = "OPTIONS", .path = "/v1/completions", .origin = "https://page.example"});
  EXPECT_EQ(reply->response().status, 204);
  EXPECT_THAT(reply->response().headers, testing::Contains(Pair("Access-Control-Allow-Methods", HasSubstr("POST"))));
  EXPECT_EQ(ask({.method = "OPTIONS", .path = "/v1/completions"})->response().status, 405) << "no browser's question";
}

TEST_F(RouterTest, ACallerSeesTheModelsOfItsKey) {
  start({});
  const auto ask_as = [&](std::vector<std::string> models, const std::string& body) {
    const Caller caller({.name = "key", .models = std::move(models)}, std::make_shared<SteadyClock>());
    std::string told;
    try {
      told = find_model(*context_, &caller, body.empty() ? std::nullopt : std::optional(body));
    } catch (const HttpError& error) {
      told = error.what();
    }
    return told;
  };
  EXPECT_EQ(ask_as({"alias"}, "alias"), "alias");
  EXPECT_EQ(ask_as({"alias"}, ""), "alias") << "the first that it may ask";
  EXPECT_EQ(ask_as({"alias"}, "fake"), "the model \"fake\" is not served here for this key; there is alias");
  EXPECT_THAT(ask_as({"other"}, ""), HasSubstr("there is none"));
}

TEST_F(RouterTest, AModelOnDemandIsLoadedWhenARequestNamesIt) {
  int load_count = 0;
  const auto metrics = std::make_shared<Metrics>(Metrics::Options{.model_name = "other"}, *metrics_);
  const auto load = [&] {
    ++load_count;
    const auto engine = std::make_shared<Engine>(fake_bundle(tokenizer_, {}), EngineOptions{},
                                                 [this] { return std::make_unique<FakeRunner>(runner_); });
    return std::make_shared<const ServedModel>(
        ServedModel{.engine = engine, .names = {"other"}, .metrics = metrics, .fingerprint = "fp2"});
  };
  others_ = {{.name = "other", .context_length = 99, .bytes = 1, .metrics = metrics, .load = load}};
  model_set_.bytes_max = 1;
  start({});
  EXPECT_EQ(get("/v1/models/other")->body().at("status").at("value"), "unloaded");
  EXPECT_EQ(get("/v1/models/other")->body().at("max_model_len"), 99);
  EXPECT_EQ(load_count, 0) << "nobody asked it anything";
  for (int i = 0; i < 2; ++i) {
    const auto reply = complete(R"("model": "other", "prompt": [1, 2], "max_tokens": 2)");
    reply->work();
    EXPECT_EQ(reply->body().at("model"), "other");
    EXPECT_EQ(reply->body().at("system_fingerprint"), "fp2");
  }
  EXPECT_EQ(load_count, 1);
  EXPECT_EQ(get("/v1/models/other")->body().at("status").at("value"), "loaded");
  EXPECT_THAT(get("/metrics")->response().body,
              HasSubstr(R"(vllm:request_success_total{engine="0",finished_reason="length",model_name="other"} 2)"));
  EXPECT_THAT(complete(R"("model": "third", "prompt": [1])")->response().body,
              HasSubstr("there is fake, alias, other"));
}

TEST_F(RouterTest, ReadyUntilTheQueueIsFull) {
  std::mutex gate;  // held: the model stands still
  runner_.before_step = [&gate](const StepBatch&) { const std::lock_guard lock(gate); };
  start({.sequence_count_max = 1, .queue_length_max = 2});
  EXPECT_EQ(get("/ready")->response().status, 200);
  std::vector<std::shared_ptr<RecordingReply>> replies;
  {
    const std::lock_guard lock(gate);
    for (int i = 0; i < 6; ++i) replies.push_back(complete(R"("prompt": [1], "max_tokens": 2)"));
    EXPECT_EQ(get("/ready")->response().status, 503);
  }
  for (const auto& reply : replies) reply->work();
  EXPECT_EQ(get("/ready")->response().status, 200);
}

TEST_F(RouterTest, MetricsCountWhatWasAnswered) {
  const auto reply = complete(R"("prompt": [[1, 2, 3], [2]], "max_tokens": 4, "ignore_eos": true)");
  reply->work();
  const auto text = get("/metrics")->response();
  EXPECT_THAT(text.content_type, testing::StartsWith("text/plain; version=0.0.4"));
  EXPECT_THAT(text.body, AllOf(HasSubstr("vllm:prompt_tokens_total{engine=\"0\",model_name=\"fake\"} 4\n"),
                               HasSubstr("vllm:generation_tokens_total{engine=\"0\",model_name=\"fake\"} 8\n"),
                               HasSubstr("finished_reason=\"length\",model_name=\"fake\"} 2\n")));
}

TEST_F(RouterTest, TokensToTextAndBack) {
  const auto detokenized = ask({.method = "POST", .path = "/detokenize", .body = R"({"tokens": [0, 1, 27]})"});
  detokenized->work();
  EXPECT_EQ(detokenized->body().at("prompt"), "a0 b0 b1 ");
  const auto outside = ask({.method = "POST", .path = "/detokenize", .body = R"({"tokens": [64]})"});
  EXPECT_EQ(outside->body().at("error").at("param"), "tokens");
}

TEST_F(RouterTest, TokenizeTakesATextOrAChat) {
  tokenizer_ = std::make_shared<GatedTokenizer>();
  const auto post = [&](const std::string& path, const std::string& body) {
    return ask({.method = "POST", .path = path, .body = body});
  };
  const auto text = post("/tokenize", R"({"prompt": "abc", "return_token_strs": true})");
  EXPECT_EQ(text->body().at("count"), 3);
  EXPECT_EQ(text->body().at("token_strs"), (json::array{"a", "a", "a"}));
  for (const char* body : {R"({})", R"({"prompt": "a", "messages": [{"role": "user", "content": "a"}]})",
                           R"({"tools": []})", R"({"promt": "a"})"}) {
    EXPECT_EQ(post("/tokenize", body)->response().status, 400) << body;
  }
  chat_template_ = nullptr;
  const char* chat = R"({"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": false})";
  EXPECT_THAT(post("/apply-template", chat)->body().at("error").at("message").as_string().c_str(),
              HasSubstr("no chat template"));
}

TEST_F(RouterTest, Models) {
  EXPECT_EQ(get("/v1/models")->body().at("data").at(1).at("id"), "alias");
  EXPECT_EQ(get("/v1/models/fake")->body().at("max_model_len"), 128);
  EXPECT_EQ(get("/v1/models/a/b")->response().status, 404);
  EXPECT_EQ(get("/v1/models/a/b")->body().at("error").at("code"), "model_not_found");
}

TEST_F(RouterTest, UnknownRoutesAndMethods) {
  for (const char* path : {"/", "/v1", "/v1/models/", "/health/", "/v1/embedding"}) {
    EXPECT_EQ(get(path)->response().status, 404) << path;
    EXPECT_EQ(get(path)->body().at("error").at("code"), "not_found") << path;
  }
  const auto reply = get("/v1/completions");
  EXPECT_EQ(reply->response().status, 405);
  EXPECT_THAT(reply->response().headers, testing::Contains(Pair("Allow", "POST")));
  EXPECT_EQ(ask({.method = "HEAD", .path = "/health"})->response().status, 200);
}

TEST_F(RouterTest, BrowsersMustSendJson) {
  HttpRequest request{
      .method = "POST", .path = "/v1/completions", .content_type = "text/plain", .origin = "http://x", .body = "{}"};
  EXPECT_EQ(ask(request)->response().status, 415);
  request.content_type = "application/json; charset=utf-8";
  EXPECT_EQ(ask(request)->response().status, 400);
  request.content_type = "application/x-www-form-urlencoded";  // curl -d
  request.origin = "";
  EXPECT_EQ(ask(request)->response().status, 400);
}

TEST_F(RouterTest, CompletesSeveralPrompts) {
  const auto reply =
      complete(R"("prompt": [[1, 2], [3]], "temperature": 0, "max_tokens": 4, "logprobs": 1, "model": "alias")");
  reply->work();
  const json::value body = reply->body();
  EXPECT_EQ(body.at("model"), "alias");
  EXPECT_EQ(body.at("usage").at("prompt_tokens"), 3);
  EXPECT_EQ(body.at("usage").at("completion_tokens"), 8);
  ASSERT_EQ(body.at("choices").as_array().size(), 2u);
  std::vector<int32_t> history = {3};
  std::string text;
  for (int i = 0; i < 4; ++i) {
    history.push_back(FakeRunner::next_token(history, 64));
    text += engine_->bundle().tokenizer->token_bytes(TokenId{history.back()});
  }
  EXPECT_EQ(body.at("choices").at(1).at("text").as_string(), text);
  EXPECT_EQ(body.at("choices").at(1).at("logprobs").at("tokens").as_array().size(), 4u);
}

TEST_F(RouterTest, StreamsTheSameText) {
  const std::string fields = R"("prompt": [1, 2], "seed": 5, "max_tokens": 9, "echo": true)";
  const auto whole = complete(fields);
  whole->work();
  const auto stream = complete(fields + R"(, "stream": true, "stream_options": {"include_usage": true})");
  stream->work();
  ASSERT_TRUE(stream->is_streaming());
  EXPECT_EQ(stream->events().back(), "[DONE]");
  std::string text;
  for (size_t i = 0; i + 2 < stream->events().size(); ++i) {
    text += parse_json(stream->events()[i], "event").at("choices").at(0).at("text").as_string();
  }
  EXPECT_EQ(text, whole->body().at("choices").at(0).at("text").as_string());
  EXPECT_EQ(parse_json(stream->events()[stream->events().size() - 2], "event").at("usage"), whole->body().at("usage"));
}

TEST_F(RouterTest, NumbersLookAsUsual) {
  const std::string fields = R"("prompt": [1], "temperature": 0, "max_tokens": 3, "logprobs": 0)";
  const auto whole = complete(fields);
  whole->work();
  const auto stream = complete(fields + R"(, "stream": true)");
  stream->work();
  std::string text = whole->response().body;
  for (const std::string& event : stream->events()) text += event;
  EXPECT_THAT(text, testing::ContainsRegex("\"token_logprobs\":\\[-[0-9]+\\.[0-9]+[],]"));
  EXPECT_THAT(text, testing::Not(testing::ContainsRegex("[0-9]E-?[0-9]")));  // -2.5E-1
}

TEST_F(RouterTest, DefaultLengthEndsWithTheContext) {
  const auto reply = complete(R"("prompt": [1])");
  reply->work();
  EXPECT_EQ(reply->body().at("usage").at("completion_tokens"), 16);
  std::string ids = "1";
  for (int i = 1; i < 120; ++i) ids += ",1";
  const auto late = complete("\"prompt\": [" + ids + "]");
  late->work();
  EXPECT_EQ(late->body().at("usage").at("completion_tokens"), 8);
}

TEST_F(RouterTest, RefusesWithTheReason) {
  const auto error_of = [this](const std::string& fields) { return complete(fields)->body().at("error"); };
  EXPECT_EQ(complete(R"("prompt": [1], "model": "gpt-4")")->response().status, 404);
  EXPECT_EQ(error_of(R"("prompt": [1], "model": "gpt-4")").at("code"), "model_not_found");
  EXPECT_EQ(error_of(R"("prompt": [1], "model": "gpt-4")").at("param"), "model");
  EXPECT_EQ(error_of(R"("prompt": [64])").at("param"), "prompt");
  EXPECT_EQ(error_of(R"("prompt": "")").at("param"), "prompt");
  const json::value too_long = error_of(R"("prompt": [1, 2, 3], "max_tokens": 1000)");
  EXPECT_EQ(too_long.at("code"), "context_length_exceeded");
  EXPECT_THAT(std::string(too_long.at("message").as_string()),
              AllOf(HasSubstr("3"), HasSubstr("1000"), HasSubstr("128")));
  const auto chat = ask(
      {.method = "POST", .path = "/v1/chat/completions", .body = R"({"messages":[{"role":"user","content":"Hi"}]})"});
  EXPECT_EQ(chat->response().status, 400);
  EXPECT_THAT(chat->response().body, HasSubstr("/v1/completions"));
}

TEST_F(RouterTest, AnswersOthersWhileALongPromptIsTokenised) {
  std::promise<void> gate;
  const auto tokenizer = std::make_shared<GatedTokenizer>();
  tokenizer->opened = gate.get_future().share();
  tokenizer_ = tokenizer;
  const auto slow = send({.method = "POST", .path = "/v1/completions", .body = R"({"prompt": "a", "max_tokens": 1})"});
  for (int i = 0; i < 500 && tokenizer->encode_count == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(tokenizer->encode_count, 1) << "at work on it";
  EXPECT_EQ(get("/health")->response().status, 200);
  EXPECT_FALSE(slow->is_answered());
  gate.set_value();
  slow->work();
  EXPECT_EQ(slow->response().status, 200);
}

TEST_F(RouterTest, PromptsThatCannotFitAreRefusedUnread) {
  const auto tokenizer = std::make_shared<GatedTokenizer>();  // the longest token has 2 bytes, the context 128 tokens
  tokenizer_ = tokenizer;
  const auto ask_with = [this](size_t bytes) { return complete("\"prompt\": \"" + std::string(bytes, 'a') + "\""); };
  const json::value counted = ask_with(256)->body().at("error");
  EXPECT_EQ(tokenizer->encode_count, 1);
  EXPECT_THAT(std::string(counted.at("message").as_string()), HasSubstr("256 tokens"));
  const auto refused = ask_with(257);
  EXPECT_EQ(tokenizer->encode_count, 1);
  EXPECT_EQ(refused->response().status, 400);
  const json::value error = refused->body().at("error");
  EXPECT_EQ(error.at("code"), "context_length_exceeded");
  EXPECT_EQ(error.at("param"), "prompt");
  EXPECT_THAT(std::string(error.at("message").as_string()),
              AllOf(HasSubstr("257 bytes"), HasSubstr("256"), HasSubstr("128 tokens")));
}

TEST_F(RouterTest, ChatsThatAreTooLongBlameTheirMessages) {
  tokenizer_ = std::make_shared<GatedTokenizer>();
  chat_template_ = ChatTemplate::parse("{{ messages[0].content }}", "", "");
  for (const size_t bytes : {200, 300}) {  // too many tokens; too many bytes
    const auto reply = ask({.method = "POST",
                            .path = "/v1/chat/completions",
                            .body = R"({"messages":[{"role":"user","content":")" + std::string(bytes, 'a') + "\"}]}"});
    EXPECT_EQ(reply->response().status, 400);
    EXPECT_EQ(reply->body().at("error").at("code"), "context_length_exceeded");
    EXPECT_EQ(reply->body().at("error").at("param"), "messages") << reply->response().body;
  }
}

TEST_F(RouterTest, RequestsOfClientsThatLeftAreNotRead) {
  std::promise<void> gate;
  const auto tokenizer = std::make_shared<GatedTokenizer>();
  tokenizer->opened = gate.get_future().share();
  tokenizer_ = tokenizer;
  workers_ = std::make_unique<WorkerPool>(WorkerPoolOptions{.thread_count = 1});
  const HttpRequest request{.method = "POST", .path = "/v1/completions", .body = R"({"prompt": "a", "max_tokens": 1})"};
  const auto first = send(request), left = send(request), last = send(request);
  left->abandon();
  gate.set_value();
  for (const auto& reply : {first, last}) reply->work();
  EXPECT_EQ(tokenizer->encode_count, 2);
}

TEST_F(RouterTest, FailureBeforeAndAfterTheFirstToken) {
  int step_count = 0;
  runner_.before_step = [&step_count](const StepBatch&) {
    if (step_count++ == 3) throw Error(ErrorCode::kInternal, "broken");
  };
  const auto stream = complete(R"("prompt": [1], "max_tokens": 9, "stream": true)");
  stream->work();
  EXPECT_TRUE(stream->is_streaming());
  EXPECT_THAT(stream->events().back(), HasSubstr("\"error\""));
  step_count = 3;
  const auto at_once = complete(R"("prompt": [1], "max_tokens": 9, "stream": true)");
  at_once->work();
  EXPECT_FALSE(at_once->is_streaming());
  EXPECT_EQ(at_once->response().status, 500);
}

TEST_F(RouterTest, AbandonedRequestFreesItsPages) {
  std::mutex gate;  // held: the model stands still
  runner_.before_step = [&gate](const StepBatch&) { const std::lock_guard lock(gate); };
  const auto reply = complete(R"("prompt": [[1], [2]], "max_tokens": 100, "ignore_eos": true, "stream": true)");
  reply->work(2);
  {
    const std::lock_guard lock(gate);
    reply->abandon();
  }
  for (int i = 0; i < 500 && engine_->statistics().pages_used > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(engine_->statistics().pages_used, 0);
  EXPECT_EQ(engine_->statistics().running_count, 0);
}

TEST_F(RouterTest, FullQueueSaysWhenToComeBack) {
  std::mutex gate;
  runner_.before_step = [&gate](const StepBatch&) { const std::lock_guard lock(gate); };
  start({.sequence_count_max = 1, .queue_length_max = 2});
  std::vector<std::shared_ptr<RecordingReply>> replies;
  {
    const std::lock_guard lock(gate);
    for (int i = 0; i < 6; ++i) replies.push_back(complete(R"("prompt": [1], "max_tokens": 2)"));
    EXPECT_EQ(replies.back()->response().status, 429);
    EXPECT_THAT(replies.back()->response().headers, testing::Contains(Pair("Retry-After", testing::_)));
    EXPECT_EQ(replies.back()->body().at("error").at("type"), "rate_limit_error");
  }
  for (const auto& reply : replies) reply->work();  // also so that no step asks for the gate when it is gone
  EXPECT_EQ(replies.front()->response().status, 200);
}

// --- Embeddings

class EmbeddingsTest : public RouterTest {
 protected:
  EmbeddingsTest() { runner_.limits.embedding = {.width = 4, .token_count_max = 16, .page_count = 1}; }
  std::shared_ptr<RecordingReply> embed(const std::string& fields) {
    const auto reply = ask({.method = "POST", .path = "/v1/embeddings", .body = "{" + fields + "}"});
    reply->work();
    return reply;
  }
  json::object error_of(const std::string& fields, int status) {
    const auto reply = embed(fields);
    EXPECT_EQ(reply->response().status, status) << fields;
    return reply->body().at("error").as_object();
  }
};

std::vector<float> first_embedding(const json::value& body) {
  return json::value_to<std::vector<float>>(body.at("data").at(0).at("embedding"));
}

TEST_F(EmbeddingsTest, OneInputOrMany) {
  const json::value one = embed(R"("input": [1, 2, 3], "model": "alias")")->body();
  EXPECT_EQ(one.at("object"), "list");
  EXPECT_EQ(one.at("model"), "alias");
  EXPECT_EQ(one.at("usage").at("prompt_tokens"), 3);
  EXPECT_EQ(one.at("usage").at("total_tokens"), 3);
  EXPECT_EQ(one.at("data").as_array().size(), 1u);
  const json::value two = embed(R"("input": [[9], [1, 2, 3]], "user": "me")")->body();
  EXPECT_EQ(two.at("model"), "fake");
  EXPECT_EQ(two.at("data").at(1).at("index"), 1);
  EXPECT_EQ(two.at("data").at(1).at("object"), "embedding");
  EXPECT_EQ(two.at("data").at(1).at("embedding"), one.at("data").at(0).at("embedding"));
  EXPECT_EQ(two.at("usage").at("prompt_tokens"), 4);
}

TEST_F(EmbeddingsTest, ATextIsWhatTheTokenizerMakesOfItAfterTheModelsPrompt) {
  tokenizer_ = std::make_shared<GatedTokenizer>();  // a token 0 for each byte
  embedding_ = {.pooling = Pooling::kLastToken, .prompt = "ab"};
  start({});
  const json::value body = embed(R"("input": ["xyz", "y"])")->body();
  EXPECT_EQ(body.at("usage").at("prompt_tokens"), 5 + 3);
  EXPECT_EQ(body.at("data").at(0), embed(R"("input": [0, 0, 0, 0, 0])")->body().at("data").at(0));
}

TEST_F(EmbeddingsTest, Base64HoldsTheSameFloats) {
  const std::vector<float> floats = first_embedding(embed(R"("input": [5], "encoding_format": "float")")->body());
  const json::value coded = embed(R"("input": [5], "encoding_format": "base64")")->body();
  EXPECT_EQ(coded.at("data").at(0).at("embedding"),
            json::string(to_base64({reinterpret_cast<const char*>(floats.data()), 4 * floats.size()})));
}

TEST_F(EmbeddingsTest, DimensionsAreForModelsTrainedForThem) {
  EXPECT_EQ(error_of(R"("input": [5], "dimensions": 2)", 400).at("param"), "dimensions");
  EXPECT_EQ(embed(R"("input": [5], "dimensions": 4)")->response().status, 200);
  embedding_ = {.pooling = Pooling::kCls, .is_matryoshka = true};
  start({});
  const std::vector<float> two = first_embedding(embed(R"("input": [5], "dimensions": 2)")->body());
  ASSERT_EQ(two.size(), 2u);
  EXPECT_NEAR(two[0] * two[0] + two[1] * two[1], 1, 1e-5);
  EXPECT_EQ(error_of(R"("input": [5], "dimensions": 5)", 400).at("param"), "dimensions");
}

TEST_F(EmbeddingsTest, WhatIsWrongIsNamed) {
  const auto param_of = [&](const std::string& fields, int status) { return error_of(fields, status).at("param"); };
  EXPECT_EQ(param_of("", 400), "input");
  EXPECT_EQ(param_of(R"("input": [])", 400), "input");
  EXPECT_EQ(param_of(R"("input": [[1], []])", 400), "input");
  EXPECT_EQ(param_of(R"("input": {"text": "a"})", 400), "input");
  EXPECT_EQ(param_of(R"("input": [64])", 400), "input") << "outside of the vocabulary";
  EXPECT_EQ(param_of(R"("input": [1], "encoding_format": "hex")", 400), "encoding_format");
  EXPECT_EQ(param_of(R"("input": [1], "model": "gpt-5")", 404), "model");
  EXPECT_EQ(param_of(R"("input": [1], "inputs": [1])", 400), "inputs");
  EXPECT_EQ(error_of(R"("input": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1])", 400).at("code"), "context_length_exceeded");
}

TEST_F(EmbeddingsTest, AnEncoderRefusesToGenerate) {
  runner_.limits.page_count = 0;
  runner_.limits.embedding.is_bidirectional = true;
  for (const auto& [path, body] :
       {std::pair("/v1/completions", R"({"prompt": "a"})"),
        std::pair("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "a"}]})")}) {
    const auto reply = ask({.method = "POST", .path = path, .body = body});
    EXPECT_EQ(reply->response().status, 400) << path;
    EXPECT_THAT(std::string(reply->body().at("error").at("message").as_string()),
                AllOf(HasSubstr("generates no text"), HasSubstr("/v1/embeddings")));
  }
  EXPECT_EQ(embed(R"("input": [5])")->response().status, 200);
  EXPECT_EQ(get("/health")->response().status, 200);
}

}  // namespace
}  // namespace pelton
