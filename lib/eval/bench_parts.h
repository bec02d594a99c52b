#pragma once

#include "eval/bench_passes.h"
#include "eval/rounded.h"
#include "kvs/json.h"

// What run_bench() measures beside single passes; null where the model's context is too short.
namespace kvs {

/// Attention alone, causal, over `tokens` rows and positions: of one segment, and of 64 that stand
/// elsewhere than at home: [{"tokens","segments","ms","gflops","share_of_peak"}].
Json bench_attention(BenchPasses& passes, double peak_gflops);

/// TTFT with the first tokens of the context replaced, computed anew and made from the earlier
/// prompt: {"context","replaced","full_ms","naive_ms","speedup"}.
Json bench_reuse(BenchPasses& passes);

/// TTFT of a few tokens behind the context, whose rows come from host memory, beside what copying
/// these and computing the others take: {"context","new","loaded","bytes","ttft_ms","copy_ms",
/// "compute_ms","ratio"}.
Json bench_load(BenchPasses& passes);

/// Of a device: {"device_total_bytes","device_free_bytes","device_peak_bytes"}; nothing else.
void add_device_memory(Backend& backend, Json& memory);

/// A view of the context with some tokens replaced: {"tokens","replaced","ms"}.
Json bench_edit(BenchPasses& passes);

}  // namespace kvs
