#pragma once

#include "kvs/export.h"
#include "kvs/kv_view.h"

namespace kvs {

/// A copy of the view in as few blocks as hold it, each row at home where it stands: keys are
/// rotated once, by their shift, so that attention need not rotate queries for them. Turned keys
/// are rounded once more, and their rows are approximate. Throws Error(memory) where the pool is
/// full. Of the configuration, the cache and the frequencies count.
KVS_API KvView compacted(const KvView& view, KvPool& pool, const AttentionConfig& config);

}  // namespace kvs
