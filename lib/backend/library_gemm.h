#pragma once

#include "kvs/backend.h"

namespace kvs {

/// What a library's product of large matrices reaches on this machine; 0 where libkvs_onednn.so is
/// not installed. On CPUs without bf16 products, `bf16` is measured in f32.
double library_gemm_gflops(Compute compute, int threads);

}  // namespace kvs
