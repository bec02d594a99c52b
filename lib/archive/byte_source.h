#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace kvs {

/// Uninitialised memory that is used again and again.
struct ByteBuffer {
  std::shared_ptr<std::byte[]> data{};
  size_t capacity = 0;

  /// Forgets the content where more capacity is needed.
  void reserve(size_t bytes) {
    if (bytes <= capacity) return;
    data = std::make_shared_for_overwrite<std::byte[]>(bytes);
    capacity = bytes;
  }
};

/// Looks ahead in a stream of bytes. The descriptor belongs to the caller.
class ByteSource {
 public:
  /// The whole stream, from where the descriptor stands.
  ByteSource(int descriptor, std::string name);
  /// The same of a stream, which must outlive the source; what its buffer throws goes through.
  ByteSource(std::istream& stream, std::string name);
  /// The same of bytes in memory, which are not copied.
  ByteSource(std::span<const std::byte> bytes, std::string name);
  /// Bytes [first, last) of a regular file; does not move the descriptor. `buffer` may be one that
  /// another source released.
  ByteSource(int descriptor, std::string name, int64_t first, int64_t last, ByteBuffer buffer = {});

  /// What comes next: at least `bytes` bytes, or all that is left. Valid until the next call.
  /// Allocates in step with what really arrives. Throws Error(io).
  std::span<const std::byte> peek(size_t bytes);
  void consume(size_t bytes);

  /// The memory behind what was peeked; the source is of no further use.
  ByteBuffer release() { return std::move(buffer_); }

  const std::string& name() const { return name_; }
  int64_t position() const { return position_; }  ///< of the next byte, from the start of the file

 private:
  void fill(size_t bytes);
  void make_room(size_t bytes);
  size_t read_some(std::byte* to, size_t bytes);
  size_t read_stream(std::byte* to, size_t bytes);

  std::string name_;
  int descriptor_ = -1;
  std::istream* stream_ = nullptr;     // instead of the descriptor
  std::span<const std::byte> memory_;  // in place of the buffer
  bool positioned_ = false;
  int64_t last_ = std::numeric_limits<int64_t>::max();
  int64_t position_ = 0;
  ByteBuffer buffer_;
  size_t begin_ = 0;  // of what was read and not consumed
  size_t end_ = 0;
  bool at_end_ = false;
};

}  // namespace kvs
