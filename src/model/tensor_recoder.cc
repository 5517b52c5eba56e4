#include "model/tensor_recoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "io/in_quotes.h"
#include "quant/blocks.h"
#include "quant/largest_encodable.h"

namespace pelton {
namespace {

constexpr int64_t kPieceElements = int64_t{4} << 20;

// How the tensor is walked: rows that move as a whole.
struct Rows {
  int64_t count;
  int64_t columns;
};

Rows rows_of(const TensorRecoding& recoding) {
  const Shape& shape = recoding.source.shape();
  if (recoding.order == RowOrder::kSame) return {shape.row_count(), shape.innermost()};
  // A bias has rows of one element.
  return {shape[0], shape.element_count() / shape[0]};
}

// The place of the first value that cannot be encoded.
class FirstBad {
 public:
  void note(int64_t index) {
    int64_t known = index_.load(std::memory_order_relaxed);
    while (index < known && !index_.compare_exchange_weak(known, index, std::memory_order_relaxed)) {
    }
  }
  int64_t index() const { return index_.load(std::memory_order_relaxed); }
  bool is_set() const { return index() != kNone; }

 private:
  static constexpr int64_t kNone = INT64_MAX;
  std::atomic<int64_t> index_{kNone};
};

[[noreturn]] void refuse(const TensorRecoding& recoding, const Rows& rows, int64_t index) {
  const int64_t row = index / rows.columns;
  const int64_t column = index % rows.columns;
  std::vector<float> values(static_cast<size_t>(rows.columns));
  const Tensor& source = recoding.source;
  decode_function(source.type())(source.data() + bytes_of(source.type(), row * rows.columns), values.data(),
                                 rows.columns);
  const float value = values[static_cast<size_t>(column)];
  const std::string_view type = element_type_name(recoding.type);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("tensor {}: the value {} in row {}, column {} cannot be stored as {}{}",
                          in_quotes(recoding.name), value, row, column, type,
                          std::isfinite(value) ? fmt::format(", which holds up to {}; choose f32 or bf16",
                                                             largest_encodable(recoding.type))
                                               : ": the source is damaged"));
}

}  // namespace

void recode_tensor(Executor& executor, const TensorRecoding& recoding,
                   FunctionRef<void(std::span<const std::byte>)> sink) {
  const Tensor& source = recoding.source;
  const Rows rows = rows_of(recoding);
  if (rows.count == 0 || rows.columns == 0) return;
  CHECK(recoding.order == RowOrder::kSame || rows.count % recoding.head_width == 0);
  const int64_t source_row_bytes = bytes_of(source.type(), rows.columns);
  const int64_t row_bytes = bytes_of(recoding.type, rows.columns);
  const bool is_copied = source.type() == recoding.type;
  if (is_copied && recoding.order == RowOrder::kSame) {
    for (int64_t begin = 0; begin < source.size_bytes(); begin += kPieceElements) {
      const int64_t size = std::min(kPieceElements, source.size_bytes() - begin);
      sink({source.data() + begin, static_cast<size_t>(size)});
    }
    return;
  }

  const DecodeFunction decode = is_copied ? nullptr : decode_function(source.type());
  const EncodeFunction encode = is_copied ? nullptr : encode_function(recoding.type);
  const float largest = largest_encodable(recoding.type);
  const int64_t piece_rows = std::clamp<int64_t>(kPieceElements / rows.columns, 1, rows.count);
  std::vector<std::byte> piece(static_cast<size_t>(piece_rows * row_bytes));
  std::vector<std::vector<float>> values(static_cast<size_t>(executor.thread_count()),
                                         std::vector<float>(is_copied ? 0 : static_cast<size_t>(rows.columns)));
  for (int64_t first = 0; first < rows.count; first += piece_rows) {
    const int64_t count = std::min(piece_rows, rows.count - first);
    FirstBad bad;
    executor.parallel([&](int thread, int thread_count) {
      std::vector<float>& row_values = values[static_cast<size_t>(thread)];
      const Range range = split_range(count, 1, thread, thread_count);
      for (int64_t row = range.begin; row < range.end; ++row) {
        const int64_t from = source_row(recoding.order, first + row, recoding.head_width);
        const std::byte* bytes = source.data() + from * source_row_bytes;
        std::byte* target = piece.data() + row * row_bytes;
        if (is_copied) {
          std::memcpy(target, bytes, static_cast<size_t>(row_bytes));
          continue;
        }
        decode(bytes, row_values.data(), rows.columns);
        const auto wrong = std::find_if(row_values.begin(), row_values.end(),
                                        [&](float value) { return !(std::abs(value) <= largest); });
        if (wrong != row_values.end()) {
          bad.note(from * rows.columns + (wrong - row_values.begin()));
          continue;
        }
        encode(row_values.data(), target, rows.columns);
      }
    });
    if (bad.is_set()) refuse(recoding, rows, bad.index());
    sink({piece.data(), static_cast<size_t>(count * row_bytes)});
  }
}

}  // namespace pelton
