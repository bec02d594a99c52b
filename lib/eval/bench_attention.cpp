#include <fmt/format.h>

#include <random>

#include "eval/bench_parts.h"

namespace kvs {
namespace {

constexpr int kSegments = 64;

// The rows of `whole` in pieces, the last one first: lengths are odd where tokens / 64 is even, and
// each piece has another shift.
KvView moved_pieces(const KvView& whole) {
  const auto cut = [&](int64_t at) { return at * whole.size() / kSegments + at % 2; };
  KvView view;
  for (int64_t piece = kSegments - 1; piece >= 0; --piece)
    view.append_shared(whole, cut(piece), cut(piece + 1) - cut(piece), false);
  return view;
}

BatchLayout layout_of(const KvView& view) {
  BatchLayout layout;
  for (int32_t position = 0; position < view.size(); ++position)
    layout.rows.push_back({.position = position});
  layout.sequences.push_back(view.runs(view.size()));
  return layout;
}

class AttentionBench {
 public:
  AttentionBench(BenchPasses& passes, int64_t tokens)
      : passes_(passes),
        config_(passes.transformer().attention_config(passes.options().kv_type)),
        qkv_(backend(), DType::f32, {tokens, width(config_.heads + 2 * config_.kv.kv_heads)}),
        out_(backend(), DType::f32, {tokens, width(config_.heads)}) {
    // Not zeros: what a device computes with decides how fast it may run.
    std::minstd_rand random(1);
    std::uniform_real_distribution<float> values(-1, 1);
    std::vector<float> host(qkv_.tensor().shape.elements());
    for (float& value : host) value = values(random);
    backend().upload(qkv_.tensor().data, host.data(), host.size() * sizeof(float));
    backend().synchronize();
  }

  // Over the layers in turn, as in a model.
  double seconds(const KvView& view) {
    const auto plan = backend().plan_batch(layout_of(view), config_);
    int layer = 0;
    const auto next = [&] { return layer++ % config_.kv.layers; };
    return median_seconds(passes_.options().repeats, next, [&](int turn) {
      backend().attention(out_.tensor(), qkv_.tensor(), *plan, turn);
      backend().synchronize();
    });
  }

  double operations() const {
    const auto tokens = static_cast<double>(out_.tensor().shape[0]);
    return 4 * static_cast<double>(width(config_.heads)) * tokens * (tokens + 1) / 2;
  }

 private:
  Backend& backend() const { return passes_.transformer().backend(); }
  int64_t width(int64_t heads) const { return heads * config_.kv.head_dim; }

  BenchPasses& passes_;
  AttentionConfig config_;
  Buffer qkv_, out_;
};

}  // namespace

Json bench_attention(BenchPasses& passes, double peak_gflops) {
  Json list{Json::Array{}};
  for (const int tokens : passes.options().attention) {
    if (!passes.fits(tokens) || tokens < 2 * kSegments) continue;
    passes.say(fmt::format("attention over {}", tokens));
    AttentionBench bench(passes, tokens);
    const KvView whole = passes.cached(tokens);
    for (const int segments : {1, kSegments}) {
      const double seconds = bench.seconds(segments == 1 ? whole : moved_pieces(whole));
      const double gflops = bench.operations() / seconds * 1e-9;
      Json entry;
      entry.set("tokens", tokens);
      entry.set("segments", segments);
      entry.set("ms", rounded(seconds * 1e3, 1000));
      entry.set("gflops", rounded(gflops, 10));
      entry.set("share_of_peak", rounded(gflops / peak_gflops, 1000));
      list.push(std::move(entry));
    }
  }
  return list;
}

}  // namespace kvs
