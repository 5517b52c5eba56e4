// `pelton serve`: engines behind OpenAI's HTTP API.
//
//   auto server = Server(engine, options);
//   server.start();
//   print(server.url());
//   server.run_until_signal();
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "server/access/access.h"
#include "server/http/http_server.h"
#include "server/model_set.h"
#include "text/tool_form.h"

namespace pelton {

// A model that is loaded when a request names it (server/model_set.h). As it is presented: as the first, with the
// embedding settings of its bundle and the tool form of its template.
struct ServedOnDemand {
  std::string name;
  int64_t context_length = 0;
  int64_t bytes = 0;  // that it takes while it is loaded, at most
  // Takes as long as it takes; any thread. Errors go to those who asked.
  std::function<std::shared_ptr<Engine>()> load;
};

struct ServerOptions {
  HttpOptions http;  // host, port, threads, limits
  std::vector<std::string>
      model_names;       // what `model` may say in requests, the first in answers; empty: the bundle's name
  AccessOptions access;  // keys are read again at SIGHUP
  bool allow_special_in_messages = false;
  std::optional<EmbeddingSettings> embedding;           // absent: the bundle's
  std::optional<ToolForm> tool_form;                    // absent: found by the model's template
  std::optional<std::filesystem::path> adapter_folder;  // whose adapters clients may load; absent: none
  // Of clients' files and finetuning jobs; made where it is not there. Absent: there are none.
  std::optional<std::filesystem::path> fine_tuning_folder;
  std::optional<double> price_per_hour;  // of the machine, for /metrics
  std::vector<ServedOnDemand> others;
  int64_t others_bytes_max = 0;  // that the others may take together
  std::optional<Duration> others_idle_max = ModelSetOptions{}.idle_max;
  Duration drain_time_max = std::chrono::seconds(30);  // what requests in flight get when the server stops
};

class Server {
 public:
  // Errors: those of ModelSet and FineTuning.
  Server(std::shared_ptr<Engine> engine, const ServerOptions& options);
  // stop().
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens and answers on threads of its own. From here on SIGINT and SIGTERM are kept for run_until_signal, also one
  // that comes before it. Errors: kIo (port in use), kInvalidArgument (unknown host).
  void start();
  int port() const;         // after start
  std::string url() const;  // "http://127.0.0.1:8080"
  // After start. Waits for SIGINT or SIGTERM, then stops; a second signal ends the process at once.
  void run_until_signal();
  // Accepts nothing more, lets requests in flight finish for up to drain_time_max, cancels the rest. A model that is
  // being loaded is loaded to its end before. Any thread.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pelton
