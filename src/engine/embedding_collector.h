// Embeddings, and scores, for callers that want to wait.
#pragma once

#include <functional>
#include <vector>

#include "engine/engine.h"

namespace pelton {

// Waits for the embeddings of all inputs. Throws what submit throws, and the Error that ended the request. Cancels
// where `is_wanted`, asked every few milliseconds, says false: kCancelled. Empty: always wanted.
std::vector<std::vector<float>> embed(Engine& engine, EmbeddingRequest request,
                                      const std::function<bool()>& is_wanted = {});

// The same of a classifier's scores.
std::vector<std::vector<float>> classify(Engine& engine, ClassificationRequest request,
                                         const std::function<bool()>& is_wanted = {});

}  // namespace pelton
