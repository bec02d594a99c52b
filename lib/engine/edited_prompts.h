#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/residency.h"
#include "kvs/donor_store.h"
#include "kvs/hash.h"
#include "kvs/kv_archive.h"

namespace kvs {

/// Prompts whose rows were taken from other prompts (kvs-align --apply) and are in the pool. Such
/// rows serve the very same tokens, at the same positions, and nobody else. Not thread-safe.
class EditedPrompts {
 public:
  /// `held` must outlive it.
  explicit EditedPrompts(Residency& held) : held_(held) {}

  /// Does nothing where the tenant (or everyone) has these tokens already.
  void add(PromptRecord prompt, std::vector<ArchivedPiece> pieces);

  /// Appends the pieces of the prompt that is looked up, ascending, where it is there: what its
  /// tenant has, else what everyone has.
  void find(const DonorLookup& lookup, std::vector<ReuseDonor>& found);

  /// See DonorStore::forget(). Returns how many went.
  int64_t forget(const DonorFilter& which);

 private:
  struct Entry {
    std::string id;
    std::string tenant;
    bool everyone = false;
    std::vector<int32_t> tokens;
    std::vector<ArchivedPiece> pieces;
    EvictionOrder::Item item = -1;
  };

  Residency& held_;
  std::unordered_map<Hash128, Entry> entries_;  // by visibility, tenant and tokens
};

}  // namespace kvs
