#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>

namespace kvs {

/// Reads text from outside line by line, in bounded memory.
class LineReader {
 public:
  /// `in` must outlive the reader; `source` names it in messages.
  LineReader(std::istream& in, std::string source, size_t max_bytes = size_t{64} << 20);

  /// Reads the next line into `text`, without its end (LF or CR LF) and a byte order mark; false at
  /// the end. Throws Error(format) "file:7: line longer than 64 MiB", where the next call goes on
  /// behind that line, and Error(io) where `in` cannot be read.
  bool next(std::string& text);

  int64_t line() const { return line_; }  ///< number of the line last read, from 1
  std::string where() const;              ///< "file:7"

 private:
  std::istream& in_;
  std::string source_;
  size_t max_bytes_;
  int64_t line_ = 0;
};

}  // namespace kvs
