// Other formats as lines of JSON.
#include <cctype>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/json_string.h"
#include "data/streams/byte_stream.h"

namespace pelton::data {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 18;

// A stream whose bytes are made from another's, a piece at a time.
class ConvertingStream : public ByteStream {
 public:
  explicit ConvertingStream(std::unique_ptr<ByteStream> from) : from_(std::move(from)), piece_(kPieceBytes) {}

  size_t read(std::span<char> out) final {
    while (position_ == made_.size()) {
      if (is_at_end_) return 0;
      made_.clear();
      position_ = 0;
      const size_t count = from_->read(piece_);
      is_at_end_ = count == 0;
      if (is_at_end_) {
        finish(made_);
      } else {
        convert({piece_.data(), count}, made_);
      }
    }
    const size_t count = std::min(out.size(), made_.size() - position_);
    made_.copy(out.data(), count, position_);
    position_ += count;
    return count;
  }

 protected:
  virtual void convert(std::string_view piece, std::string& made) = 0;
  virtual void finish(std::string& made) = 0;

 private:
  std::unique_ptr<ByteStream> from_;
  std::vector<char> piece_;
  std::string made_;
  size_t position_ = 0;
  bool is_at_end_ = false;
};

// Line breaks between the tokens of an element become spaces; what an element holds is for its parser to judge.
class JsonArrayStream final : public ConvertingStream {
 public:
  using ConvertingStream::ConvertingStream;

 protected:
  void convert(std::string_view piece, std::string& made) override {
    for (const char byte : piece) take(byte, made);
  }
  void finish(std::string& made) override {
    if (has_element_) made += '\n';  // cut off: its parser will refuse it
    if (!has_element_ && depth_ > 0) throw Error(ErrorCode::kCorruptFile, "the JSON array does not end");
  }

 private:
  void take(char byte, std::string& made) {
    if (is_in_string_) {
      made += byte == '\n' ? ' ' : byte;
      if (is_escaped_) {
        is_escaped_ = false;
      } else if (byte == '\\') {
        is_escaped_ = true;
      } else if (byte == '"') {
        is_in_string_ = false;
      }
      return;
    }
    const bool is_space = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
    if (is_space) {
      if (has_element_) made += ' ';
      return;
    }
    if (depth_ == 0 && byte == '[') {
      depth_ = 1;
      return;
    }
    if (depth_ == 1 && (byte == ',' || byte == ']')) {
      if (has_element_) made += '\n';
      has_element_ = false;
      if (byte == ']') depth_ = 0;
      return;
    }
    has_element_ = true;
    made += byte;
    if (byte == '"') is_in_string_ = true;
    if (byte == '{' || byte == '[') ++depth_;
    if (byte == '}' || byte == ']') --depth_;
  }

  int64_t depth_ = 0;
  bool has_element_ = false;
  bool is_in_string_ = false;
  bool is_escaped_ = false;
};

class CsvStream final : public ConvertingStream {
 public:
  CsvStream(std::unique_ptr<ByteStream> csv, char separator)
      : ConvertingStream(std::move(csv)), separator_(separator) {}

 protected:
  void convert(std::string_view piece, std::string& made) override {
    if (is_at_start_ && piece.starts_with("\xEF\xBB\xBF")) piece.remove_prefix(3);
    is_at_start_ = false;
    for (const char byte : piece) take(byte, made);
  }
  void finish(std::string& made) override {
    if (is_in_quotes_ && !was_quote_) throw Error(ErrorCode::kCorruptFile, "a quoted field of the CSV does not end");
    if (!row_.empty() || !field_.empty()) end_row(made);
  }

 private:
  // A quote inside a quoted field is written twice; so after one, the next byte says what it was.
  void take(char byte, std::string& made) {
    if (is_in_quotes_ && !was_quote_) {
      if (byte == '"') {
        was_quote_ = true;
      } else {
        field_ += byte;
      }
      return;
    }
    if (was_quote_) {
      was_quote_ = false;
      if (byte == '"') {
        field_ += '"';
        return;
      }
      is_in_quotes_ = false;
    }
    if (byte == '"' && field_.empty()) {
      is_in_quotes_ = true;
    } else if (byte == separator_) {
      end_field();
    } else if (byte == '\n') {
      if (field_.ends_with('\r')) field_.pop_back();
      if (!row_.empty() || !field_.empty()) end_row(made);
    } else {
      field_ += byte;
    }
  }

  void end_field() {
    row_.push_back(std::move(field_));
    field_.clear();
  }

  void end_row(std::string& made) {
    end_field();
    if (titles_.empty()) {
      titles_ = std::move(row_);
      row_.clear();
      return;
    }
    made += '{';
    for (size_t i = 0; i < row_.size(); ++i) {
      if (i > 0) made += ',';
      append_json_string(made, i < titles_.size() ? titles_[i] : "column" + std::to_string(i + 1));
      made += ':';
      append_json_string(made, row_[i]);
    }
    made += "}\n";
    row_.clear();
  }

  char separator_;
  std::vector<std::string> titles_;
  std::vector<std::string> row_;
  std::string field_;
  bool is_at_start_ = true;
  bool is_in_quotes_ = false;
  bool was_quote_ = false;
};

class TextStream final : public ConvertingStream {
 public:
  TextStream(std::unique_ptr<ByteStream> text, std::string id)
      : ConvertingStream(std::move(text)), id_(std::move(id)) {}

 protected:
  void convert(std::string_view piece, std::string& /*made*/) override {
    text_ += piece;
    constexpr size_t kBytesMax = size_t{256} << 20;
    if (text_.size() > kBytesMax) throw Error(ErrorCode::kCorruptFile, "a text of more than 256 MiB");
  }
  void finish(std::string& made) override {
    made += "{\"id\":";
    append_json_string(made, id_);
    made += ",\"text\":";
    append_json_string(made, text_);
    made += "}\n";
    text_ = {};
  }

 private:
  std::string id_;
  std::string text_;
};

}  // namespace

std::unique_ptr<ByteStream> lines_of_json_array(std::unique_ptr<ByteStream> array) {
  return std::make_unique<JsonArrayStream>(std::move(array));
}

std::unique_ptr<ByteStream> lines_of_csv(std::unique_ptr<ByteStream> csv, char separator) {
  return std::make_unique<CsvStream>(std::move(csv), separator);
}

std::unique_ptr<ByteStream> line_of_text(std::unique_ptr<ByteStream> text, std::string id) {
  return std::make_unique<TextStream>(std::move(text), std::move(id));
}

}  // namespace pelton::data
