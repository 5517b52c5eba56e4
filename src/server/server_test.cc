#include "server/server.h"

#include <gtest/gtest.h>

#include <csignal>

#include "engine/fake_runner.h"
#include "engine/fake_tokenizer.h"
#include "server/http/raw_client.h"

namespace pelton {
namespace {

// Who starts a server may end it as soon as it says where it listens.
TEST(Server, TakesASignalThatComesBeforeItWaits) {
  const auto bundle = fake_bundle(FakeTokenizer::with_size(64), {});
  const auto make_runner = [] { return std::make_unique<FakeRunner>(FakeRunner::Options{}); };
  ServerOptions options;
  options.http.port = 0;
  Server server(std::make_shared<Engine>(bundle, EngineOptions{}, make_runner), options);
  server.start();
  const int port = server.port();
  std::raise(SIGTERM);  // without a handler it would end this test program
  server.run_until_signal();
  EXPECT_THROW(RawClient{port}, std::runtime_error) << "it has stopped";
}

}  // namespace
}  // namespace pelton
