// The numbers of a training log as TensorBoard reads them: records (TFRecord) of protocol buffers (Event with scalar
// summaries), as tensorflow/core/lib/io/record_writer.h and tensorboard/compat/proto/event.proto say.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace pelton {

inline constexpr std::string_view kTensorboardFile = "events.out.tfevents.0.pelton";

// How each file begins.
std::string tensorboard_header(double unix_s);
// A line of the log: "loss" is "train/loss", "eval_loss" "eval/loss". Empty: it holds no number.
std::string tensorboard_event(const json::object& line, double unix_s);
// A whole log whose last line was written at `end_unix_s`; times before that by the tokens per second that it tells.
std::string tensorboard_events(std::string_view log, double end_unix_s);

}  // namespace pelton
