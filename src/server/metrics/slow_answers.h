// Which answers are slow, and why: beyond what was promised, or beyond what 99 of 100 take, with the part of the time
// that weighs most. Any thread.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/service_level.h"
#include "engine/time_account.h"

namespace pelton {

// The 99th of each hundred of what came last. Not safe from several threads.
class TailEstimate {
 public:
  void add(double value);
  // None: too little came so far.
  std::optional<double> p99() const { return p99_; }

 private:
  std::vector<double> last_;
  size_t next_ = 0;
  std::optional<double> p99_;
};

class SlowAnswers {
 public:
  enum class Phase { kFirstToken, kDecode, kDelivery };
  static constexpr const char* kPhases[] = {"first_token", "decode", "delivery"};
  // Of the connection: the client reads slowly, or the network is.
  static constexpr const char* kConnection = "connection";
  // How long the end of an answer may lie ready before its client has taken it.
  static constexpr Duration kDeliveryMax = std::chrono::milliseconds(250);

  struct Slowness {
    std::string cause;  // time_part_name() or kConnection
    double limit_s = 0;
    bool was_promised = false;  // else: p99
  };

  explicit SlowAnswers(std::optional<ServiceLevel> level) : level_(level) {}

  // None: it was not slow.
  std::optional<Slowness> judge_first_token(double seconds, const TimeShares& shares);
  // On the mean of the answer's tokens.
  std::optional<Slowness> judge_decode(double seconds_per_token, const TimeShares& shares);
  static std::optional<Slowness> judge_delivery(Duration duration);

  const std::optional<ServiceLevel>& level() const { return level_; }

 private:
  std::optional<Slowness> judge(TailEstimate& tail, std::optional<double> promised, double value,
                                const TimeShares& shares);

  const std::optional<ServiceLevel> level_;
  std::mutex mutex_;
  TailEstimate first_tokens_;
  TailEstimate decodes_;
};

// "queue 1.20 s, prompt 0.31 s": what is a hundredth of the whole or more.
std::string describe(const TimeShares& shares);

}  // namespace pelton
