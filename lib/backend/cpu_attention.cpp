#include "backend/cpu_backend.h"
#include "kvs/error.h"

namespace kvs {

std::unique_ptr<BatchPlan> CpuBackend::plan_batch(const BatchLayout&, const AttentionConfig&) {
  fail(ErrorKind::device, "plan_batch: not built yet");
}

void CpuBackend::write_kv(Tensor, const BatchPlan&, int) {
  fail(ErrorKind::device, "write_kv: not built yet");
}

void CpuBackend::attention(Tensor, Tensor, const BatchPlan&, int) {
  fail(ErrorKind::device, "attention: not built yet");
}

}  // namespace kvs
