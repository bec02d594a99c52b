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

  /// How the order calls an owner of donors.
  static std::string name_of(std::string_view owner) { return "tenant " + std::string(owner); }
  /// Of the donors that come of a look-up.
  static std::string owner_of(const DonorLookup& lookup) {
    return std::string(lookup.owner.empty() ? lookup.tenant : lookup.owner);
  }

  /// For a view that can be had again at `share` of what computing it costs: in units of the first
  /// rows. The owner is a tenant or, where there is none, everyone.
  EvictionOrder::Terms terms(const std::string* owner, const KvView& view, double share) const;

  /// Makes room within the owner's quota for what is to be added; candidates of the last look-up
  /// go too. False where it does not fit.
  bool admit(const EvictionOrder::Terms& terms) {
    return order.make_room_for(terms.owner, terms.blocks, lookup + 1);
  }

  /// Throws Error(argument) where `blocks` more would pin more than half of `pool`.
  void require_pinnable(int64_t blocks, const KvPool& pool) const;
};

}  // namespace kvs
