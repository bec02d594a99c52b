#include "kvs/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/process_memory.h"
#include "eval/bench_parts.h"

namespace kvs {
namespace {

class Bench {
 public:
  Bench(Transformer& transformer, const BenchOptions& options)
      : transformer_(transformer), options_(options), passes_(transformer, options) {}

  Json run() {
    Json json;
    passes_.say("memory");  // before the limits bring in a large library
    passes_.cached(std::min(Transformer::kMaxRows, transformer_.config().context));
    Json used = memory();
    passes_.say("limits");
    limits_ = transformer_.backend().measure_limits(options_.compute);
    json.set("prefill", prefill());
    json.set("append", append());
    json.set("decode", decode());
    json.set("attention", bench_attention(passes_, limits_.gemm_gflops));
    json.set("edit", bench_edit(passes_));
    json.set("load", bench_load(passes_));
    json.set("reuse", bench_reuse(passes_));
    add_device_memory(transformer_.backend(), used);
    json.set("memory", std::move(used));
    passes_.say("limits again");  // a shared machine drifts: both are recorded
    const MachineLimits again = transformer_.backend().measure_limits(options_.compute);
    json.set("limits", limits_to_json(again));
    return json;
  }

 private:
  double operations(int64_t context, int64_t rows) const {
    const ModelConfig& config = transformer_.config();
    const auto count = static_cast<double>(rows);
    const double visible = count * (2.0 * static_cast<double>(context) + count + 1) / 2;
    return 2 * static_cast<double>(transformer_.layer_parameters()) * count +
           2 * static_cast<double>(transformer_.output_parameters()) +
           4.0 * config.layers * config.query_width() * visible;
  }

  Json prefill() {
    Json list{Json::Array{}};
    for (const int tokens : options_.prefill) {
      if (!passes_.fits(tokens)) continue;
      passes_.say(fmt::format("prefill {}", tokens));
      const double seconds = passes_.rows_seconds(KvView(), tokens);
      const double gflops = operations(0, tokens) / seconds * 1e-9;
      Json entry;
      entry.set("tokens", tokens);
      entry.set("tokens_per_s", rounded(tokens / seconds, 10));
      entry.set("gflops", rounded(gflops, 10));
      entry.set("share_of_peak", rounded(gflops / limits_.gemm_gflops, 1000));
      list.push(std::move(entry));
    }
    return list;
  }

  Json append() {
    Json list{Json::Array{}};
    if (!passes_.fits(options_.context)) return list;
    passes_.say(fmt::format("append behind {}", options_.context));
    for (const int rows : options_.append) {
      if (!passes_.fits(options_.context + rows)) continue;
      Json entry;
      entry.set("new", rows);
      entry.set("context", options_.context);
      const double seconds = passes_.rows_seconds(passes_.context(), rows);
      entry.set("ms", rounded(seconds * 1e3, 100));
      entry.set(
          "share_of_peak",
          rounded(operations(options_.context, rows) / seconds * 1e-9 / limits_.gemm_gflops, 1000));
      list.push(std::move(entry));
    }
    return list;
  }

  Json decode() {
    Json list{Json::Array{}};
    for (const int batch : options_.batch)
      for (const int context : options_.decode)
        if (passes_.fits(context + 1)) list.push(decode(batch, context));
    return list;
  }

  Json decode(int batch, int context) {
    passes_.say(fmt::format("decode {} behind {}", batch, context));
    const size_t embedding =
        transformer_.config().tied_embeddings ? 0 : transformer_.embedding_bytes();
    std::vector<KvView> views;  // with rows of their own, which no cache holds for all
    while (std::ssize(views) < batch) views.push_back(passes_.cached(context));
    const double rate = 1 / passes_.step_seconds(views);
    const double bytes =
        static_cast<double>(transformer_.weight_bytes() - embedding) +
        1.0 * batch * context * static_cast<double>(passes_.pool().layout().token_bytes());
    Json entry;
    entry.set("batch", batch);
    entry.set("context", context);
    entry.set("tokens_per_s", rounded(batch * rate, 10));
    entry.set("bytes_per_token", std::round(bytes / batch));
    entry.set("share_of_bandwidth", rounded(bytes * rate * 1e-9 / limits_.read_gb_per_s, 1000));
    return entry;
  }

  Json memory() {
    const ProcessMemory memory = process_memory();
    const auto weights = static_cast<int64_t>(transformer_.weight_bytes());
    const auto kv = static_cast<int64_t>(passes_.pool().bytes_held());
    const bool on_host = transformer_.backend().name() == "cpu";
    Json json;
    json.set("weight_bytes", weights);
    json.set("kv_bytes", kv);
    json.set(on_host ? "resident_bytes" : "host_resident_bytes", memory.resident);
    json.set(on_host ? "peak_resident_bytes" : "host_peak_resident_bytes", memory.peak_resident);
    if (on_host) json.set("beyond_bytes", memory.resident - weights - kv);
    return json;
  }

  Json limits_to_json(const MachineLimits& again) const {
    Json json;
    json.set("gemm_gflops", rounded(limits_.gemm_gflops, 10));
    json.set("read_gb_per_s", rounded(limits_.read_gb_per_s, 100));
    json.set("gemm_gflops_after", rounded(again.gemm_gflops, 10));
    json.set("read_gb_per_s_after", rounded(again.read_gb_per_s, 100));
    return json;
  }

  Transformer& transformer_;
  const BenchOptions& options_;
  BenchPasses passes_;
  MachineLimits limits_;
};

}  // namespace

Json run_bench(Transformer& transformer, const BenchOptions& options) {
  return Bench(transformer, options).run();
}

}  // namespace kvs
