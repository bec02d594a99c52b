#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvs/donor_store.h"
#include "kvs/kv_pool.h"
#include "kvs/kv_view.h"

namespace kvs {

/// A text's view, and which of its rows are to be computed, ascending and up to the last one: those
/// behind the longest exact prefix that a donor has. Its rows are then those of a cold run.
struct ExactStart {
  KvView view;
  std::vector<int64_t> rows;
};

/// Nothing where the pool has no room for it, even without donors.
std::optional<ExactStart> start_exact(std::span<const int32_t> tokens, const std::string& tenant,
                                      DonorStore& donors, KvPool& pool);

}  // namespace kvs
