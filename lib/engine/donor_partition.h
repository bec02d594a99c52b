#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/eviction_order.h"
#include "engine/resident_vectors.h"
#include "kvs/fingerprint_index.h"
#include "kvs/kv_view.h"

namespace kvs {

/// An earlier prompt whose rows are in the pool.
struct ResidentDonor {
  std::string id;
  std::vector<int32_t> tokens;  ///< as many as the view has rows
  KvView view;
  int depth = 0;  ///< of its approximate rows, see ReuseDonor
  EvictionOrder::Item item = -1;
  std::string owner{};  ///< see DonorLookup
  double age_s = 0;     ///< when it came here: it may have been in a tier before
};

/// The donors that one tenant may see, and the ways to find them. Not thread-safe.
class DonorPartition {
 public:
  using Key = uint32_t;

  struct Candidate {
    Key key = 0;
    int64_t tokens = 0;    ///< of the prompt's, that it is known to have
    float similarity = 0;  ///< of the embeddings; 0 where unknown
  };

  /// `embedding` may be empty: it is not found by it then.
  Key add(ResidentDonor donor, std::span<const float> embedding);
  void remove(Key key);

  /// A donor that serves all that this one could: it begins with the same tokens, and its rows are
  /// as exact. While there is one, this one is not to be added.
  std::optional<Key> find_holder(const ResidentDonor& donor) const;
  /// A donor that this one makes needless in the same way; to be removed before this one is added.
  std::optional<Key> find_needless(const ResidentDonor& donor) const;
  std::optional<Key> find_id(std::string_view id) const;

  /// Candidates: the one with the longest common prefix first, then by tokens in common.
  std::vector<Candidate> find(std::span<const int32_t> tokens) const;
  /// Adds the candidates that are near an embedding and not among `found`.
  void find_near(std::span<const float> embedding, std::vector<Candidate>& found) const;

  std::vector<Key> keys() const;
  ResidentDonor& get(Key key) { return donors_.at(key); }
  int64_t size() const { return static_cast<int64_t>(donors_.size()); }
  /// Of the ways to find them, tokens included.
  int64_t index_bytes() const;

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
  ResidentVectors vectors_;
};

}  // namespace kvs
