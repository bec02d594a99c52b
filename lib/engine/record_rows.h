#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvs/archive.h"
#include "kvs/kv_view.h"

// Between the rows of a KvRecord and those of a view's blocks.
namespace kvs {

/// Where each layer's parts lie in the bytes of a record of `count` rows.
std::vector<KvLayer> layers_of(const KvLayout& layout, int64_t count, const std::byte* data);

/// That a record's layers take.
int64_t bytes_of(const KvRecord& record);

/// Fills in the layers of a record, whose tokens and home are there, with the view's rows.
void copy_rows(KvRecord& record, const KvPool& pool, const KvView& view);

/// Brings a record's rows into the pool, behind those of `view`. Throws Error(memory) where that is
/// full.
void append_rows(KvView& view, KvPool& pool, const KvRecord& record);

}  // namespace kvs
