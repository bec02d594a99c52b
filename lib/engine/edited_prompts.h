#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "kvs/donor_store.h"
#include "kvs/hash.h"
#include "kvs/kv_archive.h"

namespace kvs {

/// Prompts whose rows were taken from other prompts (kvs-align --apply) and are in the pool. Such
/// rows serve the very same tokens, at the same positions, and nobody else. Not thread-safe.
class EditedPrompts {
 public:
  /// Does nothing where the tenant (or everyone) has these tokens already.
  void add(PromptRecord prompt, std::vector<ArchivedPiece> pieces);

  /// Appends the pieces of the prompt that is looked up, ascending, where it is there: what its
  /// tenant has, else what everyone has. `now` counts look-ups.
  void find(const DonorLookup& lookup, int64_t now, std::vector<ReuseDonor>& found);

  /// The look-up in which the prompt unused for longest, among those unused since `now`, was found
  /// last; -1 where there is none. drop_oldest() gives its rows up.
  int64_t oldest(int64_t now) const;
  void drop_oldest(int64_t now);

 private:
  struct Entry {
    std::string id;
    std::vector<int32_t> tokens;
    std::vector<ArchivedPiece> pieces;
    int64_t used = 0;
  };
  using Entries = std::unordered_map<Hash128, Entry>;

  Entries::const_iterator find_oldest(int64_t now) const;

  Entries entries_;  // by visibility, tenant and tokens
};

}  // namespace kvs
