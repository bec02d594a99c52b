#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/export.h"

namespace kvs {

inline constexpr int kWinnowGram = 16;
inline constexpr int kWinnowWindow = 16;

/// A k-gram that winnowing kept.
struct Fingerprint {
  uint32_t hash = 0;
  uint32_t tokens = 0;  ///< from its first token to that of the next one; all add up to the text
};

/// The smallest of every 16 neighbouring hashes of 16 tokens; of equal ones the last, unless the
/// one kept before is as small, so that one repeated token gives few. Empty under 16 tokens.
KVS_API std::vector<Fingerprint> winnow(std::span<const int32_t> tokens);

}  // namespace kvs
