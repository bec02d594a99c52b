#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kvs/bench.h"
#include "kvs/bootstrap.h"
#include "kvs/kv_view.h"

namespace kvs {

/// The passes that run_bench() times, over a pool of their own.
class BenchPasses {
 public:
  BenchPasses(Transformer& transformer, const BenchOptions& options);

  Transformer& transformer() const { return transformer_; }
  const BenchOptions& options() const { return options_; }
  KvPool& pool() { return pool_; }

  void say(std::string_view what) const;
  /// Whether the model has so many positions.
  bool fits(int64_t tokens) const { return tokens <= transformer_.config().context; }
  std::vector<int32_t> random_tokens(int64_t count, unsigned seed) const;

  /// A view of so many computed rows.
  KvView cached(int64_t count);
  /// The same of options().context rows, computed once.
  const KvView& context();

  /// Median seconds of computing `count` rows behind `cached`, with the logits of the last one.
  double rows_seconds(const KvView& cached, int64_t count);
  /// Of a step of decoding: one more row of each view, up to the most likely tokens.
  double step_seconds(std::span<const KvView> cached);

 private:
  void compute(KvView& view, int64_t count);
  void step(std::vector<KvView>& views);

  Transformer& transformer_;
  const BenchOptions& options_;
  KvPool pool_;
  std::optional<KvView> context_;
  std::vector<float> logits_;
};

/// Median seconds of so many runs of work(prepare()), a first one apart; what is prepared is not
/// timed.
template <typename Prepare, typename Work>
double median_seconds(int runs, const Prepare& prepare, const Work& work) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  for (int run = 0; run <= runs; ++run) {
    auto scene = prepare();
    const auto start = Clock::now();
    work(scene);
    if (run > 0) seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return median(seconds);
}

}  // namespace kvs
