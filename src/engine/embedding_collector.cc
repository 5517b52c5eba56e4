#include "engine/embedding_collector.h"

#include <chrono>
#include <future>
#include <memory>
#include <utility>

namespace pelton {
namespace {

class Collector final : public EmbeddingSink {
 public:
  void on_finish(std::vector<std::vector<float>> embeddings) override { result_.set_value(std::move(embeddings)); }
  void on_error(const Error& error) override { result_.set_exception(std::make_exception_ptr(error)); }
  std::future<std::vector<std::vector<float>>> result() { return result_.get_future(); }

 private:
  std::promise<std::vector<std::vector<float>>> result_;
};

template <typename Request>
std::vector<std::vector<float>> collect(Engine& engine, Request request, const std::function<bool()>& is_wanted) {
  constexpr auto kPatience = std::chrono::milliseconds(20);
  const auto collector = std::make_shared<Collector>();
  std::future<std::vector<std::vector<float>>> result = collector->result();
  const RequestId id = engine.submit(std::move(request), collector);
  while (is_wanted && result.wait_for(kPatience) != std::future_status::ready) {
    if (is_wanted()) continue;
    engine.cancel(id);
    break;
  }
  return result.get();
}

}  // namespace

std::vector<std::vector<float>> embed(Engine& engine, EmbeddingRequest request,
                                      const std::function<bool()>& is_wanted) {
  return collect(engine, std::move(request), is_wanted);
}

std::vector<std::vector<float>> classify(Engine& engine, ClassificationRequest request,
                                         const std::function<bool()>& is_wanted) {
  return collect(engine, std::move(request), is_wanted);
}

}  // namespace pelton
