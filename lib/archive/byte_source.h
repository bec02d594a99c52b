#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>

namespace kvs {

/// Looks ahead in a stream of bytes. The descriptor belongs to the caller.
class ByteSource {
 public:
  /// The whole stream, from where the descriptor stands.
  ByteSource(int descriptor, std::string name);
  /// Bytes [first, last) of a regular file; does not move the descriptor.
  ByteSource(int descriptor, std::string name, int64_t first, int64_t last);

  /// What comes next: at least `bytes` bytes, or all that is left. Valid until the next call.
  /// Allocates in step with what really arrives. Throws Error(io).
  std::span<const std::byte> peek(size_t bytes);
  void consume(size_t bytes);

  const std::string& name() const { return name_; }
  int64_t position() const { return position_; }  ///< of the next byte, from the start of the file

 private:
  void fill(size_t bytes);
  void make_room(size_t bytes);
  size_t read_some(std::byte* to, size_t bytes);

  std::string name_;
  int descriptor_;
  bool positioned_ = false;
  int64_t last_ = std::numeric_limits<int64_t>::max();
  int64_t position_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  size_t capacity_ = 0;
  size_t begin_ = 0;  // of what was read and not consumed
  size_t end_ = 0;
  bool at_end_ = false;
};

}  // namespace kvs
