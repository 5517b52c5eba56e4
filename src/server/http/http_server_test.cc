#include "server/http/http_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "server/http/raw_client.h"

namespace pelton {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// Answers /echo at once, streams at /events, and keeps /hang waiting until the test says what to do with it.
class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    options_.port = 0;
    options_.header_bytes_max = 4096;
    options_.body_bytes_max = 1000;
    options_.header_time_max = milliseconds(200);
    options_.body_time_max = milliseconds(200);
    options_.idle_time_max = milliseconds(400);
  }

  RawClient connect() {
    if (!server_) {
      server_ = std::make_unique<HttpServer>(
          options_, [this](HttpRequest request, std::shared_ptr<Reply> reply) { handle(request, reply); });
      server_->start();
    }
    return RawClient(server_->port());
  }

  std::string ask(const std::string& bytes) {
    RawClient client = connect();
    client.send(bytes);
    return client.read_all();
  }

  void handle(const HttpRequest& request, const std::shared_ptr<Reply>& reply) {
    if (request.path == "/block") {
      is_blocking_ = true;
      EXPECT_TRUE(release_.get_future().wait_for(std::chrono::seconds(30)) == std::future_status::ready);
    }
    if (request.path == "/hang") {
      reply->on_abandoned([this] { ++abandoned_count_; });
      const std::lock_guard lock(mutex_);
      hanging_ = reply;
    } else if (request.path == "/events") {
      reply->begin_events();
      reply->send_event("", "one");
      reply->post([reply] {
        reply->send_event("named", "two");
        reply->end_events();
      });
    } else if (request.path == "/large") {
      reply->on_delivered([this](Duration duration) { delivered_ = duration; });
      reply->respond({.body = std::string(kLargeBytes, 'x')});
    } else if (request.path == "/flood") {
      reply->on_abandoned([this] { ++abandoned_count_; });
      reply->begin_events();
      flood(reply);
    } else {
      reply->respond({.body = fmt::format("{} {} [{}]", request.method, request.path, request.body)});
    }
  }

  void flood(const std::shared_ptr<Reply>& reply) {
    reply->send_event("", std::string(10000, 'x'));
    reply->post([this, reply] { flood(reply); });
  }

  std::shared_ptr<Reply> hanging() {
    std::shared_ptr<Reply> reply;
    EXPECT_TRUE(eventually([&] {
      const std::lock_guard lock(mutex_);
      reply = hanging_;
      return reply != nullptr;
    }));
    return reply;
  }

  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  static constexpr size_t kLargeBytes = size_t{32} << 20;  // more than sockets hold

  HttpOptions options_;
  std::atomic<int> abandoned_count_ = 0;
  std::atomic<Duration> delivered_{};
  std::mutex mutex_;
  std::shared_ptr<Reply> hanging_;
  std::atomic<bool> is_blocking_ = false;
  std::promise<void> release_;
  std::unique_ptr<HttpServer> server_;  // the last: its threads use all above
};

constexpr const char* kHost = "Host: a\r\n";

std::string get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\n" + kHost + headers + "\r\n";
}
std::string get_last(const std::string& path) { return get(path, "Connection: close\r\n"); }

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  RawClient client = connect();
  client.send(get("/a%20b?query", "x-request-id: mine-1\r\n"));
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 11\r\n"),
                          HasSubstr("x-request-id: mine-1\r\n"), HasSubstr("Content-Type: application/json\r\n")));
  EXPECT_EQ(client.read_until("[]"), "GET /a b []");
  client.send(
      "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\nX-Request-Id: bad id\r\n\r\nhello");
  EXPECT_THAT(client.read_all(),
              AllOf(HasSubstr("Connection: close\r\n"), Not(HasSubstr("bad id")), EndsWith("POST /b [hello]")));
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  EXPECT_THAT(ask(get("/1") + get("/2") + get("/events") + get_last("/3")),
              testing::ContainsRegex("GET /1 .*\n*(.|\n)*GET /2 (.|\n)*data: one(.|\n)*data: two(.|\n)*GET /3 "));
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  const std::string head = "POST /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_THAT(ask(head + "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"), EndsWith("POST /c [abcdefg]"));
  EXPECT_THAT(ask(head + "zz\r\nabc\r\n0\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  std::string endless = head;
  for (int i = 0; i < 20; ++i) endless += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_THAT(ask(endless), StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, RefusesWhatTwoServersCouldReadDifferently) {
  const std::string body = "5\r\nhello\r\n0\r\n\r\n";
  for (const std::string headers : {
           "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
           "Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
           "Host: a\r\nContent-Length: +5\r\n",
           "Host: a\r\nContent-Length: 5x\r\n",
           "Host: a\r\nContent-Length: -1\r\n",
           "Host: a\r\nContent-Length: 99999999999999999999999\r\n",
           "Host: a\r\nContent-Length : 5\r\n",
           "Host: a\r\nTransfer-Encoding : chunked\r\n",
           "Host: a\r\nHost: b\r\nContent-Length: 5\r\n",
           "Content-Length: 5\r\n",
           "Host: a\r\n X: folded\r\nContent-Length: 5\r\n",
           "Host: a\r\nContent-Length: 5\nX: y\r\n",
       }) {
    EXPECT_THAT(ask("POST /s HTTP/1.1\r\n" + headers + "\r\n" + body),
                AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("\"error\"")))
        << headers;
  }
  for (const char* coding : {"gzip", "identity", "xchunked", "chunked, chunked", "gzip, chunked", "chunked;x"}) {
    EXPECT_THAT(ask(fmt::format("POST /s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {}\r\n\r\n{}", coding, body)),
                testing::ContainsRegex("^HTTP/1.1 (400|501)"))
        << coding;
  }
}

TEST_F(HttpServerTest, RefusesMalformedRequests) {
  for (const std::string request : {
           "hello\r\n\r\n",
           "GET /\r\n\r\n",
           "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
           "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
           "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
       }) {
    EXPECT_THAT(ask(request), StartsWith("HTTP/1.1 400")) << request;
  }
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n"), StartsWith("HTTP/1.1 417"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
              StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(ask(get("/", "X: " + std::string(5000, 'x') + "\r\n")), StartsWith("HTTP/1.1 431"));
}

TEST_F(HttpServerTest, RefusesLongBodiesBeforeReadingThem) {
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("longer than 1000 bytes"), HasSubstr("Connection: close")));
  // The reason arrives although the client sends everything first.
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + std::string(3000000, 'x')),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, ContinuesWhereAsked) {
  RawClient client = connect();
  client.send("POST /e HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_THAT(client.read_all(), EndsWith("POST /e [hi]"));
  EXPECT_THAT(ask("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpServerTest, SlowSendersGetATimeout) {
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nHost:"), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"), StartsWith("HTTP/1.1 408"));
  EXPECT_THAT(ask(""), IsEmpty());  // idle: nothing to say
}

TEST_F(HttpServerTest, AbsoluteTargetsAreAccepted) {
  EXPECT_THAT(ask("GET http://a.example/p?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), EndsWith("GET /p []"));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  EXPECT_THAT(ask("HEAD /h HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              AllOf(HasSubstr("Content-Length: 10\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, StreamsEvents) {
  EXPECT_THAT(ask(get_last("/events")),
              AllOf(HasSubstr("text/event-stream"), HasSubstr("Transfer-Encoding: chunked"),
                    EndsWith("\r\n\r\nb\r\ndata: one\n\n\r\n18\r\nevent: named\ndata: two\n\n\r\n0\r\n\r\n")));
  EXPECT_THAT(ask("GET /events HTTP/1.0\r\n\r\n"),
              AllOf(Not(HasSubstr("chunked")), EndsWith("\r\n\r\ndata: one\n\nevent: named\ndata: two\n\n")));
}

TEST_F(HttpServerTest, ClientThatLeavesAbandonsItsRequest) {
  RawClient client = connect();
  client.send(get("/hang"));
  const std::shared_ptr<Reply> reply = hanging();
  EXPECT_EQ(abandoned_count_, 0);
  client.close();
  EXPECT_TRUE(eventually([&] { return abandoned_count_ == 1; }));
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
  reply->post([] { ADD_FAILURE() << "the request is over"; });
}

TEST_F(HttpServerTest, SlowReaderIsCutOff) {
  options_.unsent_bytes_max = 100000;
  RawClient client = connect();
  client.send(get("/flood"));
  EXPECT_TRUE(eventually([&] { return abandoned_count_ == 1; }));
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; }));
}

TEST_F(HttpServerTest, KnowsHowLongAnAnswerLayReady) {
  RawClient client = connect();
  client.send(get_last("/large"));
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(delivered_.load(), Duration(0)) << "nobody has read it";
  EXPECT_GT(client.read_all().size(), kLargeBytes);
  EXPECT_TRUE(eventually([&] { return delivered_.load() > Duration(0); }));
}

TEST_F(HttpServerTest, StopWaitsForRequestsInFlight) {
  RawClient idle = connect();
  RawClient client = connect();
  client.send(get("/hang"));
  const std::shared_ptr<Reply> reply = hanging();
  std::thread stopping([&] { server_->stop(std::chrono::seconds(10)); });
  EXPECT_EQ(idle.read_all(), "");
  reply->post([reply] { reply->respond({.body = "late"}); });
  EXPECT_THAT(client.read_all(), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Connection: close"), EndsWith("late")));
  stopping.join();
  EXPECT_EQ(abandoned_count_, 0);
  EXPECT_THROW(RawClient(server_->port()), std::runtime_error);
}

TEST_F(HttpServerTest, StopAbandonsWhatDoesNotEnd) {
  RawClient client = connect();
  client.send(get("/hang"));
  const std::shared_ptr<Reply> reply = hanging();
  server_->stop(milliseconds(20));
  EXPECT_EQ(abandoned_count_, 1);
  EXPECT_EQ(client.read_all(), "");
  server_ = nullptr;
  reply->post([] { ADD_FAILURE() << "the server is gone"; });  // an engine may hold on to a reply
}

TEST_F(HttpServerTest, StopDoesNotWaitForHalfOfARequest) {
  options_.header_time_max = options_.body_time_max = std::chrono::seconds(60);
  RawClient head = connect(), body = connect();
  head.send("POST /late HTTP/1.1\r\nHost:");
  body.send("POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
  EXPECT_THAT(ask(get_last("/")), EndsWith("[]"));  // so both have been accepted by now
  std::thread stopping([&] { server_->stop(std::chrono::seconds(5)); });
  for (RawClient* client : {&head, &body}) {
    EXPECT_THAT(client->read_all(), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("the server is stopping")));
  }
  stopping.join();
}

TEST_F(HttpServerTest, StopGivesUpWhatHangs) {
  options_.thread_count = 1;
  options_.abort_time_max = milliseconds(20);
  RawClient client = connect();
  client.send(get("/block"));
  EXPECT_TRUE(eventually([&] { return is_blocking_.load(); }));
  std::thread stopping([&] { server_->stop(Duration::zero()); });
  EXPECT_TRUE(eventually([&] { return server_->connection_count() == 0; })) << "given up while the handler still hangs";
  release_.set_value();
  stopping.join();
}

TEST_F(HttpServerTest, ManyClientsAtOnce) {
  connect();
  std::vector<std::future<int>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::async(std::launch::async, [this, i] {
      RawClient client(server_->port());
      int good_count = 0;
      for (int k = 0; k < 50; ++k) {
        client.send(get(fmt::format("/{}-{}", i, k)));
        client.read_until("\r\n\r\n");
        if (client.read_until("[]") == fmt::format("GET /{}-{} []", i, k)) ++good_count;
      }
      return good_count;
    }));
  }
  for (auto& client : clients) EXPECT_EQ(client.get(), 50);
}

TEST_F(HttpServerTest, PortInUseIsAnError) {
  connect();
  HttpOptions options;
  options.port = server_->port();
  HttpServer second(options, [](HttpRequest, std::shared_ptr<Reply>) {});
  EXPECT_THROW(second.start(), Error);
}

}  // namespace
}  // namespace pelton
