#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "kvs/hash.h"

namespace kvs {

/// Remembers which records go on from which, so that a later text ends a record where it parts from
/// an earlier one: from then on both have the record up to there in common with all that follow.
class StoredStarts {
 public:
  /// How many of `tokens`, at most `most`, the next record behind `parent` should have: those of
  /// the longest record that is there and begins them; else those in common with one that is there,
  /// where they are worth a record; else `most` or all.
  int64_t next_count(const Hash128& parent, std::span<const int32_t> tokens, int64_t most) const;

  void add(const Hash128& parent, std::span<const int32_t> tokens);

 private:
  using Texts = std::vector<std::vector<int32_t>>;
  std::unordered_map<Hash128, Texts> starts_;  // by parent and first tokens
};

}  // namespace kvs
