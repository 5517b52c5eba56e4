// Bytes of an input in order: of a plain file, unpacked, or turned into lines of JSON from another format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace pelton::data {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Up to out.size() bytes, at least one; 0 at the end. Errors: kIo (the system refused), kCorruptFile (the bytes
  // contradict their format: what was read before is good, and there is no more).
  virtual size_t read(std::span<char> out) = 0;
  // Goes on so many bytes behind the present place. Here: by reading them.
  virtual void skip(uint64_t bytes);
};

// A file as it lies there. Errors: kNotFound, kIo.
std::unique_ptr<ByteStream> open_file(const std::filesystem::path& path);

// Reads all of a stream whose end is near. Error kResourceExhausted: longer than `bytes_max`.
std::string read_all(ByteStream& stream, size_t bytes_max);

// Unpacks; each takes several members or frames one after another, as `cat a.gz b.gz` makes them.
std::unique_ptr<ByteStream> unpack_gzip(std::unique_ptr<ByteStream> packed);
std::unique_ptr<ByteStream> unpack_zstd(std::unique_ptr<ByteStream> packed);

// Each gives a line of JSON for a record of its format.
//   A JSON array of objects: `[{...}, {...}]`, however it is broken into lines.
std::unique_ptr<ByteStream> lines_of_json_array(std::unique_ptr<ByteStream> array);
//   CSV (RFC 4180) with a line of titles: an object of strings for each row. `separator` is ',' or a tab.
std::unique_ptr<ByteStream> lines_of_csv(std::unique_ptr<ByteStream> csv, char separator);
//   A text: one object {"id": id, "text": the whole of it}.
std::unique_ptr<ByteStream> line_of_text(std::unique_ptr<ByteStream> text, std::string id);
//   Parquet: an object for each row. It is read from its end, so from a file alone. Errors of opening: kNotFound, kIo.
std::unique_ptr<ByteStream> lines_of_parquet(const std::filesystem::path& path);

}  // namespace pelton::data
