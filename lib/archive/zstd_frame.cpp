#include "archive/zstd_frame.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cassert>
#include <new>

#include "archive/little_endian.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxBlock = size_t{128} << 10;  // Block_Maximum_Size
constexpr size_t kChecksum = 4;
// Every block has its own entropy code; keys and values differ from layer to layer. Of SmolLM2's
// KV, blocks of 128 KiB leave 0.871 (shuffle) and 0.431 (q8), of 12 KiB 0.855 and 0.423.
constexpr size_t kSlice = size_t{12} << 10;

[[noreturn]] void fail_cut_off() {
  fail(ErrorKind::format, "cut off within a frame");
}

// Makes at least `bytes` bytes available or fails.
std::span<const std::byte> need(ByteSource& source, size_t bytes) {
  const auto next = source.peek(bytes);
  if (next.size() < bytes) fail_cut_off();
  return next;
}

struct FrameHeader {
  size_t bytes = 0;
  uint64_t content = 0;
};

FrameHeader parse_header(ByteSource& source) {
  if (load_little<uint32_t>(need(source, 4)) != ZSTD_MAGICNUMBER)
    fail(ErrorKind::format, "no zstd frame");
  const auto descriptor = std::to_integer<uint8_t>(need(source, 5)[4]);
  const bool single_segment = descriptor & 0x20;
  if ((descriptor & 0x04) == 0) fail(ErrorKind::format, "frame without checksum");
  if ((descriptor & 0x0b) != 0) fail(ErrorKind::format, "frame with a dictionary or reserved bits");

  const size_t start = single_segment ? 5 : 6;
  const int size_flag = descriptor >> 6;
  const size_t field = size_flag == 0 ? (single_segment ? 1 : 0) : size_t{1} << size_flag;
  if (field == 0) fail(ErrorKind::format, "frame without content size");
  const auto bytes = need(source, start + field).subspan(start, field);
  switch (field) {
    case 1:
      return {start + 1, load_little<uint8_t>(bytes)};
    case 2:
      return {start + 2, uint64_t{load_little<uint16_t>(bytes)} + 256};
    case 4:
      return {start + 4, load_little<uint32_t>(bytes)};
    default:
      return {start + 8, load_little<uint64_t>(bytes)};
  }
}

// Bytes of the blocks of a frame, found by their headers alone.
size_t find_frame_end(ByteSource& source, size_t header, size_t limit) {
  for (size_t at = header;;) {
    if (at > limit) fail(ErrorKind::format, "frame is larger than its content allows");
    const uint32_t block = load_little24(need(source, at + 3).subspan(at));
    const uint32_t type = block >> 1 & 3;
    const size_t size = block >> 3;
    if (type == 3 || size > kMaxBlock) fail(ErrorKind::format, "invalid zstd block");
    at += 3 + (type == 1 ? 1 : size);
    if (block & 1) return at;
  }
}

void check(size_t code) {
  if (ZSTD_isError(code) == 0) return;
  if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation) throw std::bad_alloc();
  fail(ErrorKind::format, "{}", ZSTD_getErrorName(code));
}

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

bool starts_frame(ByteSource& source) {
  const auto next = source.peek(4);
  return next.size() < 4 || load_little<uint32_t>(next) == ZSTD_MAGICNUMBER;
}

ZstdFrame peek_frame(ByteSource& source, size_t max_content) {
  const FrameHeader header = parse_header(source);
  if (header.content > max_content)
    fail(ErrorKind::format, "frame claims {} bytes of content, at most {} are possible",
         header.content, max_content);
  const size_t limit = header.content + header.content / 64 + 65536;
  const size_t bytes = find_frame_end(source, header.bytes, limit) + kChecksum;
  return {header.content, need(source, bytes).first(bytes)};
}

void decompress(const ZstdFrame& frame, Content& content) {
  const std::unique_ptr<ZSTD_DCtx, FreeZstd> context(ZSTD_createDCtx());
  if (!context) throw std::bad_alloc();
  if (content.buffer.capacity < frame.content_bytes)
    content.buffer = {content.allocate(frame.content_bytes), frame.content_bytes};
  content.bytes = frame.content_bytes;
  const size_t got = ZSTD_decompressDCtx(context.get(), content.buffer.data.get(), content.bytes,
                                         frame.packed.data(), frame.packed.size());
  check(got);
  if (got != content.bytes) fail(ErrorKind::format, "frame holds less than it claims");
}

struct FrameWriter::State {
  std::unique_ptr<ZSTD_CCtx, FreeZstd> context{ZSTD_createCCtx()};
};

FrameWriter::FrameWriter() : state_(std::make_unique<State>()) {
  if (!state_->context) throw std::bad_alloc();
  check(ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_checksumFlag, 1));
}

FrameWriter::~FrameWriter() = default;
FrameWriter::FrameWriter(FrameWriter&&) noexcept = default;

std::span<const std::byte> FrameWriter::compress(std::span<const std::byte> content, int level,
                                                 ByteBuffer& to) {
  ZSTD_CCtx* context = state_->context.get();
  // A block's end needs up to three bytes more than ZSTD_compressBound knows of.
  to.reserve(ZSTD_compressBound(content.size()) + content.size() / kSlice * 4 + 64);
  check(ZSTD_CCtx_reset(context, ZSTD_reset_session_only));
  check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level));
  check(ZSTD_CCtx_setPledgedSrcSize(context, content.size()));
  const size_t slice = level > 0 ? kSlice : content.size();
  ZSTD_outBuffer out{to.data.get(), to.capacity, 0};
  ZSTD_inBuffer in{content.data(), 0, 0};
  do {
    in.size = std::min(in.pos + slice, content.size());
    const bool last = in.size == content.size();
    const size_t left = ZSTD_compressStream2(context, &out, &in, last ? ZSTD_e_end : ZSTD_e_flush);
    check(left);
    assert(left == 0);
  } while (in.pos < content.size());
  return {to.data.get(), out.pos};
}

}  // namespace kvs
