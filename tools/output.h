#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace kvs {

/// Nobody reads what is written any more; run_tool ends the tool quietly.
struct ClosedPipe {};

/// Writes text to stdout, buffered. All three throw ClosedPipe, or Error(io) "standard output: No
/// space left on device".
void write_out(std::string_view text);
/// Writes a line to stdout and sends it on its way: for records that a reader waits for.
void write_line(std::string_view line);
void flush_out();

enum class Content { text, binary };

/// Where results go: standard output ("-"), or a file that appears whole, with commit(), or not at
/// all. A device or a named pipe is written as it is.
class Output {
 public:
  /// Throws Error(argument) where binary content would go to a terminal, Error(io) where the file
  /// cannot be created.
  Output(std::string path, Content content);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Throws Error(io) with the path, or ClosedPipe, from any operation that writes.
  std::ostream& stream();
  /// Writes what is buffered, and gives a file its name. Throws as stream() does.
  void commit();

 private:
  class Buffer;
  std::string path_;
  std::string temporary_;  // empty where the file is written in place
  std::unique_ptr<Buffer> buffer_;
  std::unique_ptr<std::ostream> stream_;
};

/// Writes a text as Output does.
void write_file(const std::string& path, std::string_view text);

}  // namespace kvs
