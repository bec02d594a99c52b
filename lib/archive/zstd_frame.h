#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "archive/byte_source.h"
#include "kvs/archive.h"

namespace kvs {

/// One zstd frame as it lies in the archive. Source: RFC 8878, sections 3.1.1 and 3.1.2.
struct ZstdFrame {
  size_t content_bytes = 0;           ///< as its header claims
  std::span<const std::byte> packed;  ///< the whole frame; valid until the source is used again
};

/// False where what comes next cannot become a frame, however it goes on.
bool starts_frame(ByteSource& source);

/// Looks at the frame that comes next, without consuming it. Throws Error(format) where it is cut
/// off or no zstd frame with checksum and known content size, and where it claims more than
/// `max_content` bytes of content.
ZstdFrame peek_frame(ByteSource& source, size_t max_content);

/// The content of a frame, in memory that can be used again for the next.
struct Content {
  ByteBuffer buffer{};
  size_t bytes = 0;
  HostAllocator memory{};  ///< see ArchiveReadOptions

  /// Memory for what is made from it. What is small goes to the heap in any case.
  std::shared_ptr<std::byte[]> allocate(size_t size) const {
    constexpr size_t kSmall = 4096;
    const bool own = memory && size > kSmall;
    return own ? memory(size) : std::make_shared_for_overwrite<std::byte[]>(size);
  }
  std::span<const std::byte> view() const { return {buffer.data.get(), bytes}; }
};

/// Decompresses and verifies the checksum. Throws Error(format).
void decompress(const ZstdFrame& frame, Content& content);

/// Makes frames with checksum and content size.
class FrameWriter {
 public:
  FrameWriter();
  ~FrameWriter();
  FrameWriter(FrameWriter&&) noexcept;

  /// The frame, in `to`, whose memory may be that of an earlier one.
  std::span<const std::byte> compress(std::span<const std::byte> content, int level,
                                      ByteBuffer& to);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
