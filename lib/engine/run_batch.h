#pragma once

#include <functional>

#include "kvs/transformer.h"

namespace kvs {

/// Transformer::run() where memory may be short: then `release` gives some back, and fewer rows go
/// through the layers together. Throws Error(memory) where not even one row can be computed.
void run_batch(Transformer& transformer, const Batch& batch, DType kv_type,
               const Transformer::BatchObserver& observer, const std::function<void()>& release);

}  // namespace kvs
