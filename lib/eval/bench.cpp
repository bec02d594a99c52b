#include "kvs/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "base/process_memory.h"
#include "kvs/engine.h"
#include "kvs/kv_view.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

double rounded(double value, double digits) {
  return std::round(value * digits) / digits;
}

std::vector<int32_t> random_tokens(int64_t count, int vocab, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % vocab);
  return tokens;
}

class Bench {
 public:
  Bench(Transformer& transformer, const BenchOptions& options)
      : transformer_(transformer),
        options_(options),
        pool_(transformer.backend(), transformer.kv_layout(options.kv_type), 1024) {}

  Json run() {
    Json json;
    say("memory");  // before the limits bring in a large library
    cached(std::min(Transformer::kMaxRows, transformer_.config().context));
    const Json used = memory();
    say("limits");
    limits_ = transformer_.backend().measure_limits(options_.compute);
    json.set("prefill", prefill());
    json.set("append", append());
    json.set("decode", decode());
    json.set("memory", used);
    json.set("reuse", reuse());
    say("limits again");  // a shared machine drifts: both are recorded
    const MachineLimits again = transformer_.backend().measure_limits(options_.compute);
    json.set("limits", limits_to_json(again));
    return json;
  }

 private:
  void say(std::string_view what) const {
    if (options_.progress) options_.progress(what);
  }

  bool fits(int64_t tokens) const { return tokens <= transformer_.config().context; }

  // Appends fresh rows to the view and computes them in chunks; logits of the last row.
  void compute(KvView& view, int64_t count) {
    const int64_t first = view.size();
    view.append_fresh(pool_, count, true);
    const auto tokens = random_tokens(count, transformer_.config().vocab, 7);
    for (int64_t done = 0; done < count;) {
      const int64_t end = std::min<int64_t>(count, done + Transformer::kMaxRows);
      Batch batch;
      for (int64_t row = done; row < end; ++row) {
        const KvView::Slot slot = view.slot(first + row);
        batch.tokens.push_back(tokens[row]);
        batch.layout.rows.push_back(
            {.position = static_cast<int32_t>(first + row), .block = slot.block, .slot = slot.row});
      }
      batch.layout.sequences.push_back(view.runs(first + end));
      if (end == count) batch.logits_rows.push_back(static_cast<int32_t>(end - done) - 1);
      transformer_.forward(batch, options_.kv_type, logits_);
      done = end;
    }
  }

  // Median seconds of computing `count` rows behind `cached`. Short runs are repeated more often.
  double time_rows(const KvView& cached, int64_t count, int times = 1) {
    std::vector<double> seconds;
    for (int run = 0; run <= options_.repeats * times; ++run) {
      KvView view;
      view.append_shared(cached, 0, cached.size(), true);
      const auto start = Clock::now();
      compute(view, count);
      if (run > 0) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    return median(seconds);
  }

  KvView cached(int64_t count) {
    KvView view;
    compute(view, count);
    return view;
  }

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
      if (!fits(tokens)) continue;
      say(fmt::format("prefill {}", tokens));
      const double seconds = time_rows(KvView(), tokens);
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
    if (!fits(options_.context)) return list;
    say(fmt::format("append behind {}", options_.context));
    const KvView view = cached(options_.context);
    for (const int rows : options_.append) {
      if (!fits(options_.context + rows)) continue;
      Json entry;
      entry.set("new", rows);
      entry.set("context", options_.context);
      const double seconds = time_rows(view, rows);
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
    const size_t embedding =
        transformer_.config().tied_embeddings ? 0 : transformer_.embedding_bytes();
    for (const int context : options_.decode) {
      if (!fits(context + 1)) continue;
      say(fmt::format("decode behind {}", context));
      const KvView view = cached(context);
      const double rate = 1 / time_rows(view, 1, 4);
      const double bytes =
          static_cast<double>(transformer_.weight_bytes() - embedding) +
          static_cast<double>(context) * static_cast<double>(pool_.layout().token_bytes());
      Json entry;
      entry.set("context", context);
      entry.set("tokens_per_s", rounded(rate, 10));
      entry.set("bytes_per_token", std::round(bytes));
      entry.set("share_of_bandwidth", rounded(bytes * rate * 1e-9 / limits_.read_gb_per_s, 1000));
      list.push(std::move(entry));
    }
    return list;
  }

  // TTFT with the first tokens replaced, computed anew and made from the earlier prompt.
  Json reuse() {
    if (!fits(options_.context + 1)) return {};
    say(fmt::format("first {} of {} replaced", options_.replaced, options_.context));
    const int vocab = transformer_.config().vocab;
    const auto old_prompt = random_tokens(options_.context, vocab, 1);
    Engine engine(transformer_, nullptr, {.max_blocks = 1024, .kv_type = options_.kv_type});
    engine.run({.id = "old", .tokens = old_prompt, .max_tokens = 0});

    std::vector<double> full, naive;
    for (int run = 0; run < options_.repeats; ++run) {
      std::vector<int32_t> tokens = old_prompt;
      const auto fresh = random_tokens(options_.replaced, vocab, 100 + run);
      std::copy(fresh.begin(), fresh.end(), tokens.begin());
      Task task{.id = "new", .tokens = std::move(tokens), .tenant = "nobody", .max_tokens = 1};
      task.reuse.mode = ReuseMode::off;
      full.push_back(engine.run(task).reuse.ttft_ms);
      task.tenant.clear();
      task.reuse = {.policy = Policy::naive};
      naive.push_back(engine.run(task).reuse.ttft_ms);
    }
    Json json;
    json.set("context", options_.context);
    json.set("replaced", options_.replaced);
    json.set("full_ms", rounded(median(full), 100));
    json.set("naive_ms", rounded(median(naive), 100));
    json.set("speedup", rounded(median(full) / median(naive), 100));
    return json;
  }

  Json memory() const {
    const ProcessMemory memory = process_memory();
    const auto weights = static_cast<int64_t>(transformer_.weight_bytes());
    const auto kv = static_cast<int64_t>(pool_.bytes_held());
    Json json;
    json.set("weight_bytes", weights);
    json.set("kv_bytes", kv);
    json.set("resident_bytes", memory.resident);
    json.set("peak_resident_bytes", memory.peak_resident);
    json.set("beyond_bytes", memory.resident - weights - kv);
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
  KvPool pool_;
  MachineLimits limits_;
  std::vector<float> logits_;
};

}  // namespace

Json run_bench(Transformer& transformer, const BenchOptions& options) {
  return Bench(transformer, options).run();
}

}  // namespace kvs
