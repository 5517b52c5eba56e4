// Files of records → a file of tokens, on all cores.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/bundle.h"
#include "train/token_file.h"

namespace pelton {

struct PackOptions {
  int64_t sequence_length_max = 2048;  // tokens
  bool cuts_texts = false;             // a text of more tokens becomes several examples; else it cannot be used
  BadRecord bad = BadRecord::kStop;
  std::string source_field;  // counted by its value; empty: by file
  size_t thread_count = 1;
  std::function<bool()> should_stop;
};

struct PackReport {
  RecordCounts records;
  std::vector<SourceTokens> sources;
  uint64_t text_bytes = 0;  // of lines
};

// The same bytes for any number of threads. `output` appears whole or not at all. Errors: those of read_records(),
// ExampleEncoder and TokenFileWriter; kCancelled.
PackReport pack_records(const std::shared_ptr<const ModelBundle>& bundle, const std::vector<std::string>& inputs,
                        const std::string& output, const PackOptions& options);

}  // namespace pelton
