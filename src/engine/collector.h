// Answers for callers that want to wait: a whole answer at once, or piece by piece.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/request.h"

namespace pelton {

struct CollectedGeneration {
  std::string text;
  std::vector<SampledToken> tokens;
  GenerationSummary summary;
};

// Waits for the whole answer. Throws what submit throws, and the Error that ended the request.
CollectedGeneration generate(Engine& engine, GenerationRequest request);

// One answer, read piece by piece by one thread. The engine must outlive it.
//
//   GenerationStream stream(engine, request);
//   while (auto piece = stream.next()) print(piece->text);
//   report(stream.summary());
class GenerationStream {
 public:
  struct Piece {
    std::string text;
    std::vector<SampledToken> tokens;
  };

  // Submits. Throws what Engine::submit throws.
  GenerationStream(Engine& engine, GenerationRequest request);
  // Cancels an answer that has not ended.
  ~GenerationStream();
  GenerationStream(const GenerationStream&) = delete;
  GenerationStream& operator=(const GenerationStream&) = delete;

  // Waits for what came since the last call; std::nullopt: the answer is complete. Throws the Error that ended the
  // request (kCancelled after cancel()), after all pieces that came before it.
  std::optional<Piece> next();
  // True when next() will not wait. A caller that has something else to look at (Ctrl-C) asks every few milliseconds.
  bool wait_for(Duration timeout);
  // Any thread, any time. Pieces that came before still can be read.
  void cancel();
  // After next() gave std::nullopt.
  const GenerationSummary& summary() const;

 private:
  class Queue;
  Engine& engine_;
  std::shared_ptr<Queue> queue_;
  RequestId id_;
};

}  // namespace pelton
