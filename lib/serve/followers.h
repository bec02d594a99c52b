#pragma once

#include <cstdint>

#include "kvs/engine.h"
#include "kvs/fingerprint_index.h"

namespace kvs {

/// A prompt that is being computed, which others may wait for.
struct Leader {
  const Task& task;
  const FingerprintIndex& text;  ///< its tokens
};

/// How many of a leader's rows, from the first one on, a prompt does better to wait for than to
/// compute what they have in common itself; 0: none. All of them where it is not only the beginning
/// that they have in common, which is estimated, `looks` times at most: each takes some hundredths
/// of a ms.
int64_t rows_to_wait_for(const Leader& leader, const Task& follower, int& looks);

}  // namespace kvs
