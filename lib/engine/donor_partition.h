#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "kvs/fingerprint_index.h"
#include "kvs/kv_view.h"

namespace kvs {

/// An earlier prompt whose rows are in the pool.
struct ResidentDonor {
  std::string id;
  std::vector<int32_t> tokens;  ///< as many as the view has rows
  KvView view;
  int64_t used = 0;  ///< the look-up in which it was last a candidate
};

/// The donors that one tenant may see, and the ways to find them. Not thread-safe.
class DonorPartition {
 public:
  using Key = uint32_t;

  /// Does nothing where the tokens are the beginning of a donor that is there already, with as many
  /// exact rows; takes the place of a donor that is the beginning of this one.
  void add(ResidentDonor donor);

  /// Candidates: the one with the longest common prefix first, then by tokens in common.
  std::vector<Key> find(std::span<const int32_t> tokens) const;

  ResidentDonor& get(Key key) { return donors_.at(key); }
  int64_t size() const { return static_cast<int64_t>(donors_.size()); }

  /// The donor used longest ago among those used before `now`; null where there is none.
  const ResidentDonor* oldest(int64_t now, Key& key) const;
  void remove(Key key);

 private:
  struct Before {
    bool operator()(std::span<const int32_t> a, std::span<const int32_t> b) const {
      return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
    }
  };

  Key next_ = 0;
  std::unordered_map<Key, ResidentDonor> donors_;
  // In lexicographic order the donor with the longest common prefix is a neighbour of the prompt:
  // exact to the token, where a chain of block hashes would only nominate.
  std::map<std::span<const int32_t>, Key, Before> ordered_;
  FingerprintIndex fingerprints_;
};

}  // namespace kvs
