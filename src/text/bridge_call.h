// The bridge's C types with C++ manners: buffers that free themselves, failures that can be thrown.
#pragma once

#include <pelton_bridge.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pelton {

inline pelton_bridge_text bridge_text(std::string_view text) { return {text.data(), text.size()}; }

// An output parameter of a call.
class BridgeBytes {
 public:
  BridgeBytes() = default;
  ~BridgeBytes() { pelton_bridge_bytes_free(bytes_); }
  BridgeBytes(const BridgeBytes&) = delete;
  BridgeBytes& operator=(const BridgeBytes&) = delete;

  pelton_bridge_bytes* out() { return &bytes_; }
  std::string_view view() const { return {bytes_.data, bytes_.size}; }

 private:
  pelton_bridge_bytes bytes_ = {};
};

// The error for a failed call; `invalid` is what PELTON_BRIDGE_INVALID means here. A caught panic is the library's bug.
inline Error bridge_error(pelton_bridge_status status, ErrorCode invalid, std::string_view what,
                          const BridgeBytes& error) {
  ErrorCode code = invalid;
  if (status == PELTON_BRIDGE_EXHAUSTED) code = ErrorCode::kResourceExhausted;
  if (status == PELTON_BRIDGE_PANIC) code = ErrorCode::kInternal;
  return Error(code, std::string(what) + std::string(error.view()));
}

struct BridgeFree {
  void operator()(pelton_bridge_tokenizer* tokenizer) const { pelton_bridge_tokenizer_free(tokenizer); }
  void operator()(pelton_bridge_template* chat_template) const { pelton_bridge_template_free(chat_template); }
};
using BridgeTokenizer = std::unique_ptr<pelton_bridge_tokenizer, BridgeFree>;
using BridgeTemplate = std::unique_ptr<pelton_bridge_template, BridgeFree>;

}  // namespace pelton
