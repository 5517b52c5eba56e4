// The `id` and `text` of each line of a JSONL file, in memory.
#pragma once

#include <simdjson.h>

#include <string>
#include <vector>

namespace pelton {

struct JsonlCorpus {
  std::vector<std::string> ids;
  std::vector<std::string> texts;
  size_t bytes = 0;  // of the texts

  static JsonlCorpus read(const std::string& path) {
    JsonlCorpus corpus;
    const simdjson::padded_string json = simdjson::padded_string::load(path);
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document_stream lines = parser.iterate_many(json, size_t{64} << 20);
    for (auto line : lines) {
      corpus.ids.emplace_back(std::string_view(line["id"]));
      corpus.texts.emplace_back(std::string_view(line["text"]));
      corpus.bytes += corpus.texts.back().size();
    }
    return corpus;
  }
};

}  // namespace pelton
