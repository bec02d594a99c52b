#pragma once

#include "kvs/export.h"

// What libkvs_onednn.so exports. oneDNN is only a yardstick here: linked into libkvs it would slow
// every start, and bring an OpenMP runtime into every process.
extern "C" {
/// GFLOP/s of a large matrix product in bf16 or f32; 0 where oneDNN has none for this CPU.
KVS_API double kvs_onednn_gemm_gflops(bool bf16, int threads);
}
