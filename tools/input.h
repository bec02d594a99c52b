#pragma once

#include <istream>
#include <memory>
#include <string>
#include <vector>

namespace kvs {

/// Where requests or archives come from: a file, or standard input ("-").
class Input {
 public:
  /// Throws Error(io) where the file cannot be opened or is a directory, Error(argument) where
  /// standard input is a terminal: a tool in a pipe never waits for somebody to type.
  explicit Input(const std::string& path);
  ~Input();
  Input(Input&&) noexcept;

  /// For messages: the path, or "standard input".
  const std::string& name() const { return name_; }
  /// Throws Error(io) from any operation that reads, and Interrupted where a signal comes while
  /// it waits.
  std::istream& stream() { return *stream_; }
  /// Whether reading would not wait: there is input, or its end.
  bool ready() const;

 private:
  class Buffer;
  std::string name_;
  std::unique_ptr<Buffer> buffer_;
  std::unique_ptr<std::istream> stream_;
};

/// What FILE... on the command line means: standard input where none is given.
std::vector<std::string> files_or_stdin(std::vector<std::string> files);

}  // namespace kvs
