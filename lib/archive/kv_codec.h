#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "archive/zstd_frame.h"
#include "kvs/archive.h"

namespace kvs {

// A codec turns the keys and values of a record into the binaries of its `data` field and back.

/// Bytes that belong together, the memory of those that had to be made, and what a lossy codec cost
/// (see KvRecord).
struct EncodedKv {
  std::vector<std::span<const std::byte>> data{};
  ByteBuffer storage{};
  double error = 0;
  double max_error = 0;
};

/// Throws Error(argument) where a lossy codec meets an element that is not finite.
EncodedKv encode_kv(const KvRecord& record, const KvLayout& layout);

/// Fills record.layers from `data` and `scales`, the binaries in `content`. The record owns what
/// its layers show, for which it may take the memory of `content` away. Throws Error(format) where
/// sizes do not fit.
void decode_kv(KvRecord& record, const KvLayout& layout,
               std::span<const std::span<const std::byte>> data,
               std::span<const std::span<const std::byte>> scales, Content& content);

}  // namespace kvs
