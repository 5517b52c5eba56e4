#include "io/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "io/gguf_metadata.h"
#include "io/in_quotes.h"
#include "io/tensor_size.h"

namespace pelton {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies");

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr uint64_t kAlignmentDefault = 32;
constexpr uint64_t kAlignmentMax = uint64_t{1} << 20;
// All metadata and tensor descriptions together; the largest vocabularies in use take about 20 MB. With it, what a file
// can make us allocate is bounded even where a sparse file pretends to have terabytes.
constexpr uint64_t kHeaderBytesMax = uint64_t{128} << 20;
// The least bytes of a key with its value, and of a tensor's description: bounds the counts before anything is read.
constexpr uint64_t kPairBytesMin = 8 + 1 + 4 + 1;
constexpr uint64_t kTensorBytesMin = 8 + 1 + 4 + 8 + 4 + 8;

// ggml's names of element types that Pelton does not compute with, for the message that refuses them.
struct ForeignType {
  uint32_t id;
  std::string_view name;
};
constexpr ForeignType kForeignTypes[] = {
    {9, "q8_1"},   {15, "q8_k"}, {16, "iq2_xxs"}, {17, "iq2_xs"}, {18, "iq3_xxs"}, {19, "iq1_s"}, {21, "iq3_s"},
    {22, "iq2_s"}, {25, "i16"},  {28, "f64"},     {29, "iq1_m"},  {34, "tq1_0"},   {40, "nvfp4"}, {41, "q1_0"},
};

std::string_view foreign_type_name(uint32_t id) {
  for (const ForeignType& type : kForeignTypes) {
    if (type.id == id) return type.name;
  }
  return "unknown to Pelton";
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char letter) { return letter >= 0x20 && letter < 0x7F; });
}

std::string_view value_kind(const GgufValue& value) {
  constexpr std::string_view kKinds[] = {"a bool",           "an integer", "an integer",          "a number",
                                         "a string",         "integers",   "an array of numbers", "an array of strings",
                                         "an array of bools"};
  static_assert(std::size(kKinds) == std::variant_size_v<GgufValue>);
  return kKinds[value.index()];
}

}  // namespace

class GgufParser {
 public:
  // mapping: that of `bytes`; null: they are somebody else's.
  GgufParser(std::span<const std::byte> bytes, std::string name, std::shared_ptr<const MappedFile> mapping)
      : bytes_(bytes), rest_(bytes.first(std::min<size_t>(bytes.size(), kHeaderBytesMax))), file_(new GgufFile) {
    file_->path_ = std::move(name);
    file_->mapping_ = std::move(mapping);
  }

  std::shared_ptr<GgufFile> parse() {
    read_version();
    const uint64_t tensor_count = read_count("tensors", kTensorBytesMin);
    const uint64_t pair_count = read_count("metadata pairs", kPairBytesMin);
    for (uint64_t i = 0; i < pair_count; ++i) read_pair();
    for (uint64_t i = 0; i < tensor_count; ++i) read_tensor();
    place_tensors();
    return file_;
  }

 private:
  // --- bytes ---

  std::span<const std::byte> take(uint64_t count, std::string_view what) {
    if (count > rest_.size()) {
      const bool is_capped = bytes_.size() > kHeaderBytesMax;
      fail(fmt::format("{} at byte {}: {} bytes needed, {} left{}", what, position(), count, rest_.size(),
                       is_capped ? fmt::format(" of the {} that a header may have", kHeaderBytesMax) : ": truncated?"));
    }
    const std::span<const std::byte> taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  template <typename T>
  T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string_view read_string(std::string_view what) {
    const auto length = read<uint64_t>(what);
    const std::span<const std::byte> bytes = take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // A name of something: never empty, and safe to print.
  std::string read_name(std::string_view what) {
    const uint64_t at = position();
    const std::string_view name = read_string(what);
    if (name.empty()) fail(fmt::format("{} at byte {} is empty", what, at));
    if (!is_printable_ascii(name))
      fail(fmt::format("{} {} at byte {} is not printable ASCII", what, in_quotes(name), at));
    return std::string(name);
  }

  uint64_t read_count(std::string_view what, uint64_t bytes_min) {
    const auto count = read<uint64_t>(what);
    if (count > rest_.size() / bytes_min) {
      fail(fmt::format("{} {} do not fit in the {} bytes that follow", count, what, rest_.size()));
    }
    return count;
  }

  uint64_t position() const { return static_cast<uint64_t>(rest_.data() - bytes_.data()); }

  [[noreturn]] void fail(std::string_view reason) const {
    throw Error(ErrorCode::kCorruptFile, fmt::format("{}: {}", file_->path_.string(), reason));
  }
  [[noreturn]] void refuse(std::string_view reason) const {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: {}", file_->path_.string(), reason));
  }

  // --- header ---

  void read_version() {
    const std::span<const std::byte> magic = take(kMagic.size(), "the file's first four bytes");
    const std::string_view got(reinterpret_cast<const char*>(magic.data()), magic.size());
    if (got != kMagic) fail(fmt::format("not a GGUF file: expected it to begin with \"GGUF\", got {}", in_quotes(got)));
    file_->version_ = read<uint32_t>("the version");
    if ((file_->version_ & 0xFFFF) == 0 && file_->version_ != 0) refuse("big-endian GGUF files are not supported");
    if (file_->version_ != 2 && file_->version_ != 3) {
      refuse(fmt::format("GGUF version {}; versions 2 and 3 are supported", file_->version_));
    }
  }

  // --- metadata ---

  void read_pair() {
    std::string key = read_name("a metadata key");
    const uint64_t begin = position();
    GgufValue value = read_value(read<uint32_t>(key), key);
    const std::span<const std::byte> encoded = bytes_.subspan(begin, position() - begin);
    const auto [pair, is_new] = file_->metadata_.try_emplace(key, std::move(value));
    if (!is_new) fail(fmt::format("the metadata key {} is there twice", in_quotes(key)));
    file_->encoded_metadata_.push_back({pair->first, encoded});
  }

  GgufValue read_value(uint32_t type, const std::string& key) {
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::kU8:
        return int64_t{read<uint8_t>(key)};
      case GgufValueType::kI8:
        return int64_t{read<int8_t>(key)};
      case GgufValueType::kU16:
        return int64_t{read<uint16_t>(key)};
      case GgufValueType::kI16:
        return int64_t{read<int16_t>(key)};
      case GgufValueType::kU32:
        return int64_t{read<uint32_t>(key)};
      case GgufValueType::kI32:
        return int64_t{read<int32_t>(key)};
      case GgufValueType::kU64:
        return read<uint64_t>(key);
      case GgufValueType::kI64:
        return read<int64_t>(key);
      case GgufValueType::kF32:
        return double{read<float>(key)};
      case GgufValueType::kF64:
        return read<double>(key);
      case GgufValueType::kBool:
        return read_bool(key);
      case GgufValueType::kString:
        return std::string(read_string(key));
      case GgufValueType::kArray:
        return read_array(key);
    }
    fail(fmt::format("metadata key {}: unknown value type {}", in_quotes(key), type));
  }

  GgufValue read_array(const std::string& key) {
    const auto type = read<uint32_t>(key);
    const auto count = read<uint64_t>(key);
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::kU8:
        return read_numbers<uint8_t, int64_t>(count, key);
      case GgufValueType::kI8:
        return read_numbers<int8_t, int64_t>(count, key);
      case GgufValueType::kU16:
        return read_numbers<uint16_t, int64_t>(count, key);
      case GgufValueType::kI16:
        return read_numbers<int16_t, int64_t>(count, key);
      case GgufValueType::kU32:
        return read_numbers<uint32_t, int64_t>(count, key);
      case GgufValueType::kI32:
        return read_numbers<int32_t, int64_t>(count, key);
      case GgufValueType::kU64:
        return read_numbers<uint64_t, int64_t>(count, key);
      case GgufValueType::kI64:
        return read_numbers<int64_t, int64_t>(count, key);
      case GgufValueType::kF32:
        return read_numbers<float, double>(count, key);
      case GgufValueType::kF64:
        return read_numbers<double, double>(count, key);
      case GgufValueType::kBool:
        return read_bools(count, key);
      case GgufValueType::kString:
        return read_strings(count, key);
      case GgufValueType::kArray:
        refuse(fmt::format("metadata key {}: arrays of arrays are not supported", in_quotes(key)));
    }
    fail(fmt::format("metadata key {}: unknown type {} of array elements", in_quotes(key), type));
  }

  void check_fits(uint64_t count, uint64_t bytes_each, const std::string& key) {
    if (count <= rest_.size() / bytes_each) return;
    fail(fmt::format("metadata key {}: an array of {} elements does not fit in the {} bytes that follow",
                     in_quotes(key), count, rest_.size()));
  }

  template <typename Stored, typename Wide>
  std::vector<Wide> read_numbers(uint64_t count, const std::string& key) {
    check_fits(count, sizeof(Stored), key);
    std::vector<Wide> numbers(count);
    for (Wide& number : numbers) {
      const auto stored = read<Stored>(key);
      if constexpr (std::is_same_v<Stored, uint64_t>) {
        if (stored > INT64_MAX) fail(fmt::format("metadata key {}: {} is out of range", in_quotes(key), stored));
      }
      number = static_cast<Wide>(stored);
    }
    return numbers;
  }

  bool read_bool(const std::string& key) {
    const auto byte = read<uint8_t>(key);
    if (byte > 1) fail(fmt::format("metadata key {}: expected a bool of 0 or 1, got {}", in_quotes(key), byte));
    return byte == 1;
  }

  std::vector<bool> read_bools(uint64_t count, const std::string& key) {
    check_fits(count, 1, key);
    std::vector<bool> bools(count);
    for (uint64_t i = 0; i < count; ++i) bools[i] = read_bool(key);
    return bools;
  }

  std::vector<std::string> read_strings(uint64_t count, const std::string& key) {
    check_fits(count, sizeof(uint64_t), key);
    std::vector<std::string> strings;
    strings.reserve(count);
    for (uint64_t i = 0; i < count; ++i) strings.emplace_back(read_string(key));
    return strings;
  }

  // --- tensors ---

  void read_tensor() {
    TensorEntry entry{.name = read_name("a tensor's name"), .type = ElementType::kF32, .shape = {}};
    const std::string where = "tensor " + in_quotes(entry.name);
    entry.shape = read_shape(where);
    const auto type = read<uint32_t>(where);
    const std::optional<ElementType> known = element_type_from_gguf(type);
    if (!known) refuse(fmt::format("{}: element type {} ({}) is not supported", where, type, foreign_type_name(type)));
    entry.type = *known;
    if (entry.shape.innermost() % info(entry.type).block_elements != 0) {
      fail(fmt::format("{}: rows of {} are no whole number of {} blocks of {}", where, entry.shape.innermost(),
                       element_type_name(entry.type), info(entry.type).block_elements));
    }
    if (!checked_size_bytes(entry.type, entry.shape)) {
      fail(fmt::format("{}: the size of {} overflows", where, entry.shape.to_string()));
    }
    if (!file_->index_.emplace(entry.name, file_->entries_.size()).second) fail(where + " is there twice");
    offsets_.push_back(read<uint64_t>(where));
    file_->entries_.push_back(std::move(entry));
  }

  // The file lists the innermost dimension first.
  Shape read_shape(const std::string& where) {
    const auto rank = read<uint32_t>(where);
    if (rank < 1 || rank > Shape::kRankMax) {
      fail(fmt::format("{}: expected 1 to {} dimensions, got {}", where, Shape::kRankMax, rank));
    }
    std::vector<int64_t> sizes(rank);
    for (int64_t& size : sizes) {
      size = read<int64_t>(where);
      if (size < 1) fail(fmt::format("{}: a dimension of {}", where, size));
    }
    Shape shape;
    for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) shape.append(*size);
    return shape;
  }

  uint64_t read_alignment() {
    const std::optional<int64_t> alignment = file_->integer(kAlignmentKey);
    if (!alignment) return kAlignmentDefault;
    const auto value = static_cast<uint64_t>(*alignment);
    if (*alignment < 1 || value > kAlignmentMax || !std::has_single_bit(value)) {
      fail(fmt::format("{}: expected a power of two up to {}, got {}", kAlignmentKey, kAlignmentMax, *alignment));
    }
    return value;
  }

  // Turns offsets within the data into offsets within the file, and checks that each tensor has bytes of its own.
  void place_tensors() {
    const uint64_t alignment = file_->alignment_ = read_alignment();
    const uint64_t data_begin = (position() + alignment - 1) / alignment * alignment;
    const uint64_t file_bytes = bytes_.size();
    const uint64_t data_bytes = file_bytes > data_begin ? file_bytes - data_begin : 0;
    for (size_t i = 0; i < file_->entries_.size(); ++i) {
      uint64_t& offset = offsets_[i];
      if (offset % alignment != 0) {
        fail(fmt::format("tensor {}: offset {} is no multiple of the alignment {}", in_quotes(file_->entries_[i].name),
                         offset, alignment));
      }
      if (offset > data_bytes || size_bytes(i) > data_bytes - offset) {
        fail(fmt::format("tensor {}: {} bytes from offset {} do not fit in the {} bytes of data: truncated?",
                         in_quotes(file_->entries_[i].name), size_bytes(i), offset, data_bytes));
      }
      offset += data_begin;
    }
    check_overlap();
    for (const uint64_t offset : offsets_) file_->places_.push_back({bytes_.data() + offset, file_->mapping_});
  }

  void check_overlap() {
    std::vector<size_t> order(file_->entries_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return offsets_[a] < offsets_[b]; });
    for (size_t i = 1; i < order.size(); ++i) {
      const size_t before = order[i - 1];
      if (offsets_[before] + size_bytes(before) <= offsets_[order[i]]) continue;
      fail(fmt::format("the tensors {} and {} overlap", in_quotes(file_->entries_[before].name),
                       in_quotes(file_->entries_[order[i]].name)));
    }
  }

  uint64_t size_bytes(size_t index) const {
    const TensorEntry& entry = file_->entries_[index];
    return static_cast<uint64_t>(bytes_of(entry.type, entry.shape.element_count()));
  }

  std::span<const std::byte> bytes_;  // the file's
  std::span<const std::byte> rest_;   // of the header
  std::vector<uint64_t> offsets_;     // of each tensor: within the data at first, then from the start of the file
  std::shared_ptr<GgufFile> file_;
};

std::shared_ptr<const GgufFile> GgufFile::open_part(const std::filesystem::path& path) {
  std::shared_ptr<const MappedFile> mapping = MappedFile::open(path);
  const std::span<const std::byte> bytes = mapping->bytes();
  return GgufParser(bytes, path.string(), std::move(mapping)).parse();
}

std::shared_ptr<const GgufFile> GgufFile::parse(std::span<const std::byte> bytes, std::string name) {
  return GgufParser(bytes, std::move(name), nullptr).parse();
}

std::optional<Tensor> GgufFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  const TensorEntry& entry = entries_[found->second];
  const Place& place = places_[found->second];
  return Tensor(entry.type, entry.shape, place.data, place.mapping);
}

const GgufValue* GgufFile::value(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

void GgufFile::fail(std::string_view key, std::string_view expected) const {
  throw Error(ErrorCode::kCorruptFile, fmt::format("{}: metadata key {}: expected {}, got {}", path_.string(),
                                                   in_quotes(key), expected, value_kind(*value(key))));
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<int64_t>(found)) return *number;
  if (const auto* number = std::get_if<uint64_t>(found); number != nullptr && *number <= INT64_MAX) {
    return static_cast<int64_t>(*number);
  }
  fail(key, "an integer below 2^63");
}

std::optional<double> GgufFile::number(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  if (const auto* number = std::get_if<int64_t>(found)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<uint64_t>(found)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<double>(found); number != nullptr && std::isfinite(*number)) return *number;
  fail(key, "a finite number");
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(found)) return *flag;
  fail(key, "a bool");
}

std::optional<std::string> GgufFile::string(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(found)) return *text;
  fail(key, "a string");
}

const std::vector<std::string>* GgufFile::strings(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return nullptr;
  if (const auto* texts = std::get_if<std::vector<std::string>>(found)) return texts;
  fail(key, "an array of strings");
}

std::optional<std::vector<double>> GgufFile::numbers(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  if (const auto* numbers = std::get_if<std::vector<double>>(found)) return *numbers;
  if (const auto* integers = std::get_if<std::vector<int64_t>>(found)) {
    return std::vector<double>(integers->begin(), integers->end());
  }
  fail(key, "an array of numbers");
}

std::optional<std::vector<int64_t>> GgufFile::integers(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return std::nullopt;
  if (const auto* integers = std::get_if<std::vector<int64_t>>(found)) return *integers;
  fail(key, "an array of integers");
}

}  // namespace pelton
