#pragma once

#include "kvs/batch.h"

namespace kvs {

inline constexpr int kMaxBatchHeadDim = 256;  ///< of the heads that the backends can attend with

/// Throws Error(mismatch) where a layout or its configuration breaks the rules stated at their
/// types (kvs/batch.h); its message says which row, sequence or run.
void check_batch(const BatchLayout& layout, const AttentionConfig& config);

}  // namespace kvs
