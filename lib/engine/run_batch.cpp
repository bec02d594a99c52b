#include "engine/run_batch.h"

#include "kvs/error.h"

namespace kvs {

void run_batch(Transformer& transformer, const Batch& batch, DType kv_type,
               const Transformer::BatchObserver& observer, const std::function<void()>& release) {
  for (int rows = Transformer::kMaxRows;; rows /= 8) {
    try {
      return transformer.run(batch, kv_type, observer, rows);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::memory || rows == 1) throw;
      release();
    }
  }
}

}  // namespace kvs
