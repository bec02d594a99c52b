#include "archive/byte_source.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

}  // namespace

ByteSource::ByteSource(int descriptor, std::string name)
    : name_(std::move(name)), descriptor_(descriptor) {}

ByteSource::ByteSource(std::istream& stream, std::string name)
    : name_(std::move(name)), stream_(&stream) {}

ByteSource::ByteSource(std::span<const std::byte> bytes, std::string name)
    : name_(std::move(name)), memory_(bytes), end_(bytes.size()), at_end_(true) {}

ByteSource::ByteSource(int descriptor, std::string name, int64_t first, int64_t last,
                       ByteBuffer buffer)
    : name_(std::move(name)),
      descriptor_(descriptor),
      positioned_(true),
      last_(last),
      position_(first),
      buffer_(std::move(buffer)) {}

std::span<const std::byte> ByteSource::peek(size_t bytes) {
  while (end_ - begin_ < bytes && !at_end_) fill(bytes);
  const std::byte* first = memory_.empty() ? buffer_.data.get() : memory_.data();
  return {first + begin_, end_ - begin_};
}

void ByteSource::consume(size_t bytes) {
  assert(bytes <= end_ - begin_);
  begin_ += bytes;
  position_ += static_cast<int64_t>(bytes);
}

void ByteSource::fill(size_t bytes) {
  const int64_t read_to = position_ + static_cast<int64_t>(end_ - begin_);
  const auto left = static_cast<size_t>(last_ - read_to);
  const size_t want = std::min(left, std::max(kChunk, bytes - (end_ - begin_)));
  // What a file has can be believed; a stream shows what it has by sending it.
  if (want > 0) make_room(positioned_ ? want : std::min(want, kChunk));
  const size_t got =
      want == 0 ? 0 : read_some(buffer_.data.get() + end_, std::min(want, buffer_.capacity - end_));
  at_end_ = got == 0;
  end_ += got;
}

void ByteSource::make_room(size_t bytes) {
  if (buffer_.capacity - end_ >= bytes) return;
  const size_t kept = end_ - begin_;
  if (kept + bytes > buffer_.capacity) {
    ByteBuffer larger;
    larger.reserve(std::max(2 * buffer_.capacity, kept + bytes));
    if (kept > 0) std::memcpy(larger.data.get(), buffer_.data.get() + begin_, kept);
    buffer_ = std::move(larger);
  } else {
    std::memmove(buffer_.data.get(), buffer_.data.get() + begin_, kept);
  }
  begin_ = 0;
  end_ = kept;
}

// What is there already, so that a record in a pipe can be used before the next one comes.
size_t ByteSource::read_stream(std::byte* to, size_t bytes) {
  std::streambuf& buffer = *stream_->rdbuf();
  if (buffer.sgetc() == std::char_traits<char>::eof()) return 0;
  const auto ready = static_cast<size_t>(std::max<std::streamsize>(buffer.in_avail(), 1));
  const auto wanted = static_cast<std::streamsize>(std::min(bytes, ready));
  return static_cast<size_t>(buffer.sgetn(reinterpret_cast<char*>(to), wanted));
}

size_t ByteSource::read_some(std::byte* to, size_t bytes) {
  if (stream_ != nullptr) return read_stream(to, bytes);
  for (;;) {
    const int64_t at = position_ + static_cast<int64_t>(end_ - begin_);
    const ssize_t got =
        positioned_ ? pread(descriptor_, to, bytes, at) : read(descriptor_, to, bytes);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR)
      fail(ErrorKind::io, "{}: cannot read: {}", name_, std::generic_category().message(errno));
  }
}

}  // namespace kvs
