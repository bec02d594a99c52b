#pragma once

#include <cstddef>
#include <span>

#include "archive/kv_codec.h"

namespace kvs {

// The codecs q8 and q4: groups of keys by channel, of values by token (see kvs-archive(5)).
// Source: KIVI (arXiv 2402.02750), section 3: keys differ by channel, values do not.

/// Throws Error(argument) where an element is not finite.
EncodedKv encode_lossy(const KvRecord& record, const KvLayout& layout);

/// Fills record.layers, which are there but empty, in memory of `content`. Throws Error(format)
/// where sizes do not fit or a scale is not finite.
void decode_lossy(KvRecord& record, const KvLayout& layout,
                  std::span<const std::span<const std::byte>> data, const Content& content);

}  // namespace kvs
