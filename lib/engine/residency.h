#pragma once

#include <string>
#include <string_view>

#include "engine/eviction_order.h"
#include "kvs/donor_store.h"

namespace kvs {

/// What all kinds of donors in the pool have in common: in which order they go, and what they are
/// worth.
struct Residency {
  DonorStoreOptions options;
  EvictionOrder order;
  int64_t lookup = 0;  ///< number of the last look-up

  double now() const;

  /// For a view that can be had again at `share` of what computing it costs: in units of the first
  /// rows. The owner is a tenant or, where there is none, everyone.
  EvictionOrder::Terms terms(const std::string* tenant, const KvView& view, double share) const;

  /// Throws Error(argument) where `blocks` more would pin more than half of `pool`.
  void require_pinnable(int64_t blocks, const KvPool& pool) const;
};

}  // namespace kvs
