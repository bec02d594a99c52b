#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/backend.h"
#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/transformer.h"

namespace kvs {

struct BenchOptions {
  Compute compute = Compute::bf16;
  DType kv_type = DType::f16;
  int repeats = 5;                                 ///< each figure is the median of as many runs
  std::vector<int> prefill{128, 512, 2048};        ///< tokens
  std::vector<int> append{10, 32, 256};            ///< new tokens behind `context`
  int context = 2048;                              ///< cached tokens in front of the appended ones
  std::vector<int> decode{512, 2048};              ///< cached tokens in front of the decoded one
  std::vector<int> batch{1};                       ///< sequences that are decoded together
  std::vector<int> attention{2048};                ///< rows of attention alone
  int replaced = 10;                               ///< first tokens of `context` that are replaced
  std::function<void(std::string_view)> progress;  ///< what is measured next
};

/// Measures a model on its backend beside the machine's limits, in one run:
/// {"prefill":[{"tokens","tokens_per_s","gflops","share_of_peak"}],"append":[{"new","context","ms",
/// "share_of_peak"}],"decode":[{"batch","context","tokens_per_s","bytes_per_token",
/// "share_of_bandwidth"}],"attention":[{"tokens","segments","ms","gflops","share_of_peak"}],
/// "memory":{...},"edit":{"tokens","replaced","ms"},"load":{"context","new","loaded","bytes",
/// "ttft_ms","copy_ms","compute_ms","ratio"},"reuse":{"context","replaced","full_ms","naive_ms",
/// "speedup"},"limits":{"gemm_gflops","read_gb_per_s"}}. Lengths beyond the model's context are
/// left out; what then has no length is null. Operations = 2 x parameters used per token (without
/// the embedding look-up, the output layer only where it runs) + causal attention. Source: design,
/// section 8.
KVS_API Json run_bench(Transformer& transformer, const BenchOptions& options);

}  // namespace kvs
