#include "data/parquet_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/json_text.h"
#include "data/block_reader.h"
#include "data/json_shape.h"
#include "data/ordered_pipeline.h"
#include "text/bridge_call.h"

namespace pelton::data {
namespace {

struct BridgeParquetFree {
  void operator()(pelton_bridge_parquet_writer* writer) const { pelton_bridge_parquet_writer_free(writer); }
  void operator()(pelton_bridge_parquet_rows* rows) const { pelton_bridge_parquet_rows_free(rows); }
};
using BridgeParquetWriter = std::unique_ptr<pelton_bridge_parquet_writer, BridgeParquetFree>;
using BridgeParquetRows = std::unique_ptr<pelton_bridge_parquet_rows, BridgeParquetFree>;

// Calls visit(object) for each line.
template <typename Visit>
void for_each_object(const Block& block, simdjson::dom::parser& parser, Visit&& visit) {
  for (std::string_view rest = block.lines(); !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.size() > parser.capacity()) CHECK(parser.allocate(std::bit_ceil(line.size() + 1)) == simdjson::SUCCESS);
    simdjson::dom::element object;
    CHECK(parser.parse(line.data(), line.size(), false).get(object) == simdjson::SUCCESS);
    visit(object);
  }
}

struct Part {
  Block block;
  simdjson::dom::parser parser;
  JsonShape shape;
  std::string lines;  // made anew, where columns hold JSON
  BridgeParquetRows rows;
};

class Conversion {
 public:
  Conversion(const std::string& lines_path, const ParquetOptions& options) : options_(options), inputs_(1) {
    inputs_[0].source.path = lines_path;
  }

  JsonShape find_shape() {
    JsonShape shape;
    run(
        [](Part& part) {
          part.shape = JsonShape();
          for_each_object(part.block, part.parser, [&](simdjson::dom::element object) { part.shape.see(object); });
        },
        [&](Part& part) { shape.merge(part.shape); });
    return shape;
  }

  void write(const JsonShape& shape, const std::string& path) {
    const std::string schema = to_json_text(shape.schema());
    const std::vector<std::string> json_columns = shape.json_columns();
    if (!json_columns.empty() && options_.on_note) {
      options_.on_note(
          fmt::format("of several kinds, so written as JSON in a column of text: {}", fmt::join(json_columns, ", ")));
    }
    pelton_bridge_parquet_writer* made = nullptr;
    call(path, [&](pelton_bridge_bytes* error) {
      return pelton_bridge_parquet_create(bridge_text(path), bridge_text(schema), &made, error);
    });
    const BridgeParquetWriter writer(made);
    run(
        [&](Part& part) {
          pelton_bridge_parquet_rows* rows = nullptr;
          const std::string_view lines = json_columns.empty() ? part.block.lines() : rewritten(part, shape);
          call(path, [&](pelton_bridge_bytes* error) {
            return pelton_bridge_parquet_encode(writer.get(), bridge_text(lines), &rows, error);
          });
          part.rows.reset(rows);
        },
        [&](Part& part) {
          call(path, [&](pelton_bridge_bytes* error) {
            return pelton_bridge_parquet_append(writer.get(), part.rows.release(), error);
          });
        });
    call(path, [&](pelton_bridge_bytes* error) { return pelton_bridge_parquet_finish(writer.get(), error); });
  }

 private:
  template <typename Work, typename Commit>
  void run(Work&& work, Commit&& commit) {
    BlockReader reader(inputs_, {.block_bytes = options_.group_bytes, .line_bytes_max = SIZE_MAX / 4});
    OrderedPipeline<Part> pipeline;
    pipeline.produce = [&](Part& part) { return reader.next(part.block); };
    pipeline.work = work;
    pipeline.commit = commit;
    pipeline.run(std::max<size_t>(options_.thread_count, 1));
  }

  static std::string_view rewritten(Part& part, const JsonShape& shape) {
    part.lines.clear();
    for_each_object(part.block, part.parser, [&](simdjson::dom::element object) {
      shape.append_value(object, part.lines);
      part.lines += '\n';
    });
    return part.lines;
  }

  template <typename Call>
  static void call(const std::string& path, Call&& of_bridge) {
    BridgeBytes error;
    const pelton_bridge_status status = of_bridge(error.out());
    if (status != PELTON_BRIDGE_OK) {
      throw bridge_error(status, ErrorCode::kIo, fmt::format("writing {}: ", path), error);
    }
  }

  const ParquetOptions& options_;
  std::vector<InputFile> inputs_;
};

}  // namespace

void write_parquet(const std::string& lines_path, const std::string& parquet_path, const ParquetOptions& options) {
  Conversion conversion(lines_path, options);
  conversion.write(conversion.find_shape(), parquet_path);
}

}  // namespace pelton::data
