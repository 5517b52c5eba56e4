// A file of JSON lines as Parquet.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace pelton::data {

struct ParquetOptions {
  size_t thread_count = 1;
  size_t group_bytes = size_t{16} << 20;          // of lines in a row group: some fly at a time
  std::function<void(std::string_view)> on_note;  // a sentence for people
};

// Every line is an object, as a run writes them. Two passes: which columns there are (data/json_shape.h), then row
// groups, compressed by Zstandard. The same bytes for any number of threads. `parquet_path` is whole when this
// returns; until then it may be a part. Errors: kIo; kUnsupported, see JsonShape::schema().
void write_parquet(const std::string& lines_path, const std::string& parquet_path, const ParquetOptions& options);

}  // namespace pelton::data
