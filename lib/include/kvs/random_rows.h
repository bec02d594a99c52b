#pragma once

#include <cstdint>

#include "kvs/export.h"

namespace kvs {

/// Rows of noise, uniform in [-limit, limit): an element is a function of the key, its row and its
/// column alone, the same on every machine and device.
struct RandomRows {
  uint64_t key = 0;
  int64_t rows = 0;
  float limit = 0;
};

/// Writes rows [first, first + count) to out [count, cols].
KVS_API void generate_rows(const RandomRows& rows, int64_t first, int64_t count, int64_t cols,
                           float* out);

}  // namespace kvs
