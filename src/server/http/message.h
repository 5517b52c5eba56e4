// A request and its answer as routes see them: no sockets, no Beast.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace pelton {

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // percent-decoded, without the query
  std::string query;   // what stood behind "?", as it was sent (server/http/query.h); empty: nothing
  std::string content_type;
  std::string origin;       // of the page that makes a browser send this; empty from other clients
  std::string credential;   // of "Authorization: Bearer …" or "x-api-key: …"; empty: none
  std::string api_version;  // of "anthropic-version: …"; empty: none
  std::string body;
  std::string id;        // stands in the reply's x-request-id: the client's own if it sent a harmless one
  TimePoint received{};  // when all of it was there
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// The way back to the client of one request. Everything but `post` is called from the connection's own strand: from
// inside the handler, or from work given to `post`. So what belongs to one request needs no lock.
// Calls after the end (answered, or the client left) do nothing.
class Reply {
 public:
  virtual ~Reply() = default;
  // Any thread: runs `work` on the strand, in order. Dropped once the request is over.
  virtual void post(std::function<void()> work) = 0;

  // The whole answer.
  virtual void respond(HttpResponse response) = 0;
  // Or a stream of server-sent events: begin_events, send_event …, end_events.
  virtual void begin_events() = 0;
  // `name`: of the event, empty where it has none. Both without line breaks.
  virtual void send_event(std::string_view name, std::string_view data) = 0;
  virtual void end_events() = 0;

  // Called once if the request ends before its answer: the client left, reads too slowly, or the server stops. At once
  // if that already happened.
  virtual void on_abandoned(std::function<void()> callback) = 0;
  // Called once when the system has taken the last byte of the answer, with how long that lay ready. Not where the
  // client left before.
  virtual void on_delivered(std::function<void(Duration)> callback) = 0;
};

// Called on an I/O thread; must not block or work for longer than a millisecond, and must not throw.
using HttpHandler = std::function<void(HttpRequest request, std::shared_ptr<Reply> reply)>;

}  // namespace pelton
