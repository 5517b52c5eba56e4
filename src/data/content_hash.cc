#include "data/content_hash.h"

#include <cstdint>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pelton::data {
namespace {

ContentHash from(XXH128_hash_t hash) { return {hash.high64, hash.low64}; }

}  // namespace

struct ContentHasher::State {
  XXH3_state_t xxh3;
};

ContentHasher::ContentHasher() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh3); }

ContentHasher::~ContentHasher() = default;

void ContentHasher::add(std::string_view text) {
  const uint64_t size = text.size();
  XXH3_128bits_update(&state_->xxh3, &size, sizeof size);
  XXH3_128bits_update(&state_->xxh3, text.data(), text.size());
}

void ContentHasher::add_structure(const Record& record) {
  const auto kind = static_cast<char>(record.kind);
  add({&kind, 1});
  for (const std::span<Message> turns : {record.messages, record.chosen, record.rejected}) {
    const uint64_t count = turns.size();
    add({reinterpret_cast<const char*>(&count), sizeof count});
    for (const Message& message : turns) {
      add(role_name(message.role));
      add(message.name);
      add(message.tool_call_id);
      add(message.reasoning.empty() ? "" : "reasoning");
      for (const ToolCall& call : message.tool_calls) {
        add(call.id);
        add(call.name);
        add(call.arguments);
      }
    }
  }
  add(record.tools);
}

ContentHash ContentHasher::hash() const { return from(XXH3_128bits_digest(&state_->xxh3)); }

uint64_t hash_bytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

ContentHash content_hash(const Record& record) {
  if (record.kind == RecordKind::kText) return from(XXH3_128bits(record.text.data(), record.text.size()));
  ContentHasher hasher;
  hasher.add_structure(record);
  for_each_text(record, [&](std::string_view text) { hasher.add(text); });
  return hasher.hash();
}

}  // namespace pelton::data
