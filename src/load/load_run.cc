#include "load/load_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/json_text.h"
#include "base/version.h"
#include "load/asio.h"
#include "load/event_stream.h"
#include "load/fetch_text.h"

namespace pelton {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr size_t kErrorBytesMax = 300;
constexpr size_t kModelListBytesMax = size_t{1} << 20;
constexpr Duration kProgressInterval = std::chrono::milliseconds(100);

// A connection, plain or by TLS.
class Stream {
 public:
  Stream(const asio::any_io_executor& executor, asio::ssl::context* tls) {
    if (tls != nullptr) {
      secure_.emplace(executor, *tls);
    } else {
      plain_.emplace(executor);
    }
  }
  tcp::socket& socket() { return secure_ ? secure_->next_layer() : *plain_; }
  template <typename Work>
  auto with(Work work) {
    return secure_ ? work(*secure_) : work(*plain_);
  }
  asio::awaitable<void> shake_hands(const std::string& host, error_code& code) {
    if (!secure_) co_return;
    SSL_set_tlsext_host_name(secure_->native_handle(), host.c_str());
    secure_->set_verify_callback(asio::ssl::host_name_verification(host));
    co_await secure_->async_handshake(asio::ssl::stream_base::client, into(code));
  }

 private:
  std::optional<tcp::socket> plain_;
  std::optional<asio::ssl::stream<tcp::socket>> secure_;
};

std::string path_of(const LoadTarget& target, std::string_view route) {
  std::string base = target.url.target;
  while (base.ends_with('/')) base.pop_back();
  if (!base.ends_with("/v1")) base += "/v1";
  return base + std::string(route);
}

std::string body_of(const LoadTarget& target, const LoadPrompt& prompt) {
  json::object body = {{"model", target.model},
                       {"max_tokens", prompt.max_tokens},
                       {"stream", true},
                       {"stream_options", {{"include_usage", true}}}};
  if (target.uses_chat) {
    body["messages"] = {{{"role", "user"}, {"content", prompt.text}}};
  } else {
    body["prompt"] = prompt.text;
  }
  if (target.fills_answers) {
    // Without the first, what comes after the model's end would be tokens without text, whose times nobody sees.
    body["min_tokens"] = prompt.max_tokens;
    body["ignore_eos"] = true;
  }
  for (const auto& [name, value] : target.extra_body) body[name] = value;
  return to_json_text(body);
}

// The text of an event's first choice; absent: it has none.
bool has_text(const json::object& event) {
  const json::value* choices = event.if_contains("choices");
  if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) return false;
  const json::object* choice = choices->get_array()[0].if_object();
  if (choice == nullptr) return false;
  const json::value* delta = choice->if_contains("delta");
  const json::object& holder = delta != nullptr && delta->is_object() ? delta->get_object() : *choice;
  for (const char* name : {"content", "text", "reasoning_content"}) {
    const json::value* text = holder.if_contains(name);
    if (text != nullptr && text->is_string() && !text->get_string().empty()) return true;
  }
  return false;
}

std::optional<int64_t> count_of(const json::object& usage, std::string_view name) {
  const json::value* count = usage.if_contains(name);
  return count != nullptr && count->is_int64() ? std::optional(count->get_int64()) : std::nullopt;
}

void read_event(std::string_view data, Duration at, LoadOutcome& outcome, bool& is_done) {
  if (data == "[DONE]") {
    is_done = true;
    return;
  }
  error_code code;
  const json::value parsed = json::parse(data, code);
  if (code || !parsed.is_object()) {
    outcome.error = "an event that is no JSON object";
    return;
  }
  const json::object& event = parsed.get_object();
  if (const json::value* error = event.if_contains("error"); error != nullptr && !error->is_null()) {
    outcome.error = to_json_text(*error).substr(0, kErrorBytesMax);
  }
  if (has_text(event)) outcome.pieces.push_back(at);
  if (const json::value* usage = event.if_contains("usage"); usage != nullptr && usage->is_object()) {
    outcome.prompt_token_count = count_of(usage->get_object(), "prompt_tokens");
    outcome.answer_token_count = count_of(usage->get_object(), "completion_tokens");
  }
}

class Run {
 public:
  Run(const LoadTarget& target, const LoadPlan& plan)
      : target_(target), plan_(plan), outcomes_(plan.prompts.size()), watch_(io_) {
    if (target.url.is_secure) {
      tls_.emplace(asio::ssl::context::tls_client);
      tls_->set_default_verify_paths();
      tls_->set_verify_mode(asio::ssl::verify_peer);
    }
    error_code code;
    endpoints_ = tcp::resolver(io_).resolve(target.url.host, std::to_string(target.url.port), code);
    if (code) throw Error(ErrorCode::kIo, fmt::format("{}: {}", to_display(target.url), code.message()));
  }

  std::vector<LoadOutcome> run() {
    begin_ = clock_.now();
    if (plan_.arrivals) {
      asio::co_spawn(io_, send_when_due(), asio::detached);
    } else {
      const auto client_count = std::min<size_t>(static_cast<size_t>(plan_.client_count), plan_.prompts.size());
      for (size_t i = 0; i < client_count; ++i) asio::co_spawn(io_, ask_again_and_again(), asio::detached);
    }
    asio::co_spawn(io_, watch(), asio::detached);
    io_.run();
    if (failure_) std::rethrow_exception(failure_);
    outcomes_.resize(begun_count_);
    return std::move(outcomes_);
  }

 private:
  Duration now() const { return clock_.now() - begin_; }
  bool is_over() const { return is_stopped_ || (plan_.duration && now() >= *plan_.duration); }

  asio::awaitable<void> ask_again_and_again() {
    ++worker_count_;
    std::unique_ptr<Stream> connection;
    while (begun_count_ < plan_.prompts.size() && !is_over()) {
      const size_t index = begun_count_++;
      co_await ask(index, now(), connection);
    }
    end_worker();
  }

  asio::awaitable<void> send_when_due() {
    ++worker_count_;
    asio::steady_timer timer(io_);
    for (size_t index = 0; index < plan_.prompts.size(); ++index) {
      const Duration due = (*plan_.arrivals)[index];
      timer.expires_at(begin_ + due);
      error_code ignored;
      co_await timer.async_wait(into(ignored));
      if (is_over()) break;
      ++begun_count_;
      asio::co_spawn(io_, ask_alone(index, due), asio::detached);
    }
    end_worker();
  }

  asio::awaitable<void> ask_alone(size_t index, Duration due) {
    ++worker_count_;
    std::unique_ptr<Stream> connection;
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
    co_await ask(index, due, connection);
    if (connection) idle_.push_back(std::move(connection));
    end_worker();
  }

  void end_worker() {
    if (--worker_count_ == 0) watch_.cancel();
  }

  // Leaves `connection` empty where it can't be used again.
  asio::awaitable<void> ask(size_t index, Duration begin, std::unique_ptr<Stream>& connection) {
    LoadOutcome& outcome = outcomes_[index];
    const bool is_reused = connection != nullptr;
    co_await ask_on(plan_.prompts[index], begin, connection, outcome);
    // A server may close an idle connection at any time: that is no failure of the request.
    if (is_reused && !outcome.is_ok() && was_unheard_) {
      outcome = {};
      co_await ask_on(plan_.prompts[index], begin, connection, outcome);
    }
    ++(outcome.is_ok() ? done_count_ : failed_count_);
  }

  asio::awaitable<void> ask_on(const LoadPrompt& prompt, Duration begin, std::unique_ptr<Stream>& connection,
                               LoadOutcome& outcome) {
    was_unheard_ = false;
    outcome.begin = begin;
    asio::steady_timer deadline(io_, target_.time_max);
    bool is_late = false;
    std::unique_ptr<Stream> stream = std::move(connection);
    if (stream == nullptr) stream = std::make_unique<Stream>(io_.get_executor(), tls_ ? &*tls_ : nullptr);
    deadline.async_wait([socket = &stream->socket(), &is_late](error_code code) {
      if (code) return;
      is_late = true;
      error_code ignored;
      socket->close(ignored);
    });
    const bool is_reusable = co_await exchange(*stream, prompt, outcome);
    deadline.cancel();
    co_await asio::post(io_, asio::use_awaitable);  // the cancelled wait is over before what it names is
    if (is_late) outcome.error = fmt::format("no whole answer in {:.0f} s", seconds(target_.time_max));
    outcome.end = now() - begin;
    if (is_reusable && outcome.is_ok()) connection = std::move(stream);
  }

  // False: the connection is of no further use.
  asio::awaitable<bool> exchange(Stream& stream, const LoadPrompt& prompt, LoadOutcome& outcome) {
    error_code code;
    if (!stream.socket().is_open()) {
      co_await asio::async_connect(stream.socket(), endpoints_, into(code));
      if (!code) stream.socket().set_option(tcp::no_delay(true), code);
      if (!code) co_await stream.shake_hands(target_.url.host, code);
      if (code) {
        outcome.error = "connect: " + code.message();
        co_return false;
      }
    }
    http::request<http::string_body> request(http::verb::post,
                                             path_of(target_, target_.uses_chat ? "/chat/completions" : "/completions"),
                                             11, body_of(target_, prompt));
    request.set(http::field::host, authority_of(target_.url));
    request.set(http::field::content_type, "application/json");
    request.set(http::field::accept, "text/event-stream");
    request.set(http::field::user_agent, fmt::format("pelton/{}", kVersion));
    if (target_.key) request.set(http::field::authorization, "Bearer " + *target_.key);
    request.prepare_payload();
    co_await stream.with([&](auto& layer) { return write(layer, request, code); });
    if (code) {
      was_unheard_ = true;
      outcome.error = "send: " + code.message();
      co_return false;
    }
    co_return co_await stream.with([&](auto& layer) { return read(layer, outcome); });
  }

  template <typename Layer>
  static asio::awaitable<void> write(Layer& layer, http::request<http::string_body>& request, error_code& code) {
    co_await http::async_write(layer, request, into(code));
  }

  template <typename Layer>
  asio::awaitable<bool> read(Layer& layer, LoadOutcome& outcome) {
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    parser.eager(false);  // an eager one holds a chunk back until the next begins, and so all of them until the end
    error_code code;
    EventStream events;
    bool is_done = false;
    size_t read_bytes = 0;
    while (!parser.is_done()) {
      co_await http::async_read_some(layer, buffer, parser, into(code));
      if (code) break;
      std::string& body = parser.get().body();
      if (parser.is_header_done() && parser.get().result_int() != 200) continue;  // the body is the reason
      read_bytes += body.size();
      events.push(body, [&](std::string_view data) { read_event(data, now() - outcome.begin, outcome, is_done); });
      body.clear();
    }
    if (code) {
      was_unheard_ = read_bytes == 0 && !parser.is_header_done();
      outcome.error = "receive: " + code.message();
    } else if (parser.get().result_int() != 200) {
      outcome.error = fmt::format("HTTP {}: {}", parser.get().result_int(),
                                  std::string_view(parser.get().body()).substr(0, kErrorBytesMax));
    } else if (outcome.is_ok() && !is_done) {
      outcome.error = "the stream ended without [DONE]";
    }
    co_return !code && parser.keep_alive();
  }

  // Says how far it is, and ends the run where whoever hears that wants it.
  asio::awaitable<void> watch() {
    while (worker_count_ > 0) {
      watch_.expires_after(kProgressInterval);
      error_code ignored;
      co_await watch_.async_wait(into(ignored));
      if (!plan_.on_progress || failure_) continue;
      try {
        plan_.on_progress(done_count_, failed_count_);
      } catch (...) {
        failure_ = std::current_exception();
        is_stopped_ = true;
        io_.stop();
      }
    }
  }

  const LoadTarget& target_;
  const LoadPlan& plan_;
  SteadyClock clock_;
  TimePoint begin_;
  std::vector<LoadOutcome> outcomes_;
  size_t begun_count_ = 0;
  int64_t done_count_ = 0;
  int64_t failed_count_ = 0;
  bool was_unheard_ = false;  // of the last exchange: the server gave no byte of an answer
  bool is_stopped_ = false;
  std::exception_ptr failure_;

  asio::io_context io_{1};
  std::optional<asio::ssl::context> tls_;
  tcp::resolver::results_type endpoints_;
  std::vector<std::unique_ptr<Stream>> idle_;
  int64_t worker_count_ = 0;
  asio::steady_timer watch_;
};

}  // namespace

std::string first_model_of(const LoadTarget& target) try {
  HttpClient client({.trust = load_tls_trust()});
  Url url = target.url;
  url.target = path_of(target, "/models");
  error_code code;
  const json::value parsed = json::parse(fetch_text(client, url, target.key, kModelListBytesMax), code);
  const json::object* object = code ? nullptr : parsed.if_object();
  const json::value* data = object != nullptr ? object->if_contains("data") : nullptr;
  if (data != nullptr && data->is_array() && !data->get_array().empty() && data->get_array()[0].is_object()) {
    const json::value* id = data->get_array()[0].get_object().if_contains("id");
    if (id != nullptr && id->is_string()) return std::string(id->get_string());
  }
  throw Error(ErrorCode::kIo, fmt::format("{}: no model in its answer", to_display(url)));
} catch (const Error& error) {
  throw Error(error.code(), error.message() + "; --model names a model without asking");
}

std::vector<LoadOutcome> run_load(const LoadTarget& target, const LoadPlan& plan) { return Run(target, plan).run(); }

LoadOutcome ask_once(const LoadTarget& target, const LoadPrompt& prompt) {
  LoadPlan plan;
  plan.prompts = {prompt};
  LoadOutcome outcome = run_load(target, plan).front();
  if (!outcome.is_ok()) throw Error(ErrorCode::kIo, fmt::format("{}: {}", to_display(target.url), outcome.error));
  return outcome;
}

}  // namespace pelton
