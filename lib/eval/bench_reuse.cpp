#include <fmt/format.h>

#include <algorithm>

#include "eval/bench_parts.h"
#include "kvs/archive.h"
#include "kvs/engine.h"

namespace kvs {
namespace {

constexpr int kNew = 16;                // tokens behind a donor that is loaded
constexpr int kEdits = 100;             // an edit is short
constexpr int64_t kPatience = 600'000;  // ms that a donor may take

// With room for so many prompts of the context.
EngineOptions engine_options(const BenchPasses& passes, int64_t prompts) {
  const int64_t blocks = passes.options().context / kBlockTokens + 2;
  return {.max_blocks = std::max<int64_t>(1024, prompts * blocks),
          .kv_type = passes.options().kv_type};
}

// An engine whose donors stay in host memory when its pool gives them up.
class LoadBench {
 public:
  explicit LoadBench(BenchPasses& passes)
      : passes_(passes),
        prompt_(passes.random_tokens(passes.options().context, 1)),
        engine_(passes.transformer(), nullptr, engine_options(passes, 3)) {
    const KvLayout& layout = engine_.pool().layout();
    engine_.donors().open_tiers(
        {.host_bytes = static_cast<int64_t>(2 * prompt_.size() * layout.token_bytes()),
         .first_look_ms = kPatience,
         .load_ms = kPatience},
        {.model = "bench", .fingerprint = "bench", .layout = layout});
    engine_.run({.id = "old", .tokens = prompt_, .max_tokens = 0});
    engine_.donors().finish_tiers(std::chrono::milliseconds(kPatience));
  }

  Json run() {
    std::vector<double> ttft;
    int64_t loaded = 0;
    for (int run = 0; run <= passes_.options().repeats; ++run) {
      const ReuseReport reuse = answer(100 + run);
      if (run > 0) ttft.push_back(reuse.ttft_ms);
      loaded = reuse.exact;
    }
    const double ttft_ms = median(ttft), copy_ms = 1e3 * copy_seconds();
    const double compute_ms = 1e3 * passes_.rows_seconds(passes_.context(), kNew);
    Json json;
    json.set("context", static_cast<int64_t>(prompt_.size()));
    json.set("new", kNew);
    json.set("loaded", loaded);
    json.set("bytes", static_cast<int64_t>(bytes()));
    json.set("ttft_ms", rounded(ttft_ms, 1e4));
    json.set("copy_ms", rounded(copy_ms, 1e4));
    json.set("compute_ms", rounded(compute_ms, 1e4));
    json.set("ratio", rounded(ttft_ms / std::max(copy_ms, compute_ms), 100));
    return json;
  }

 private:
  size_t bytes() const { return prompt_.size() * engine_layout().token_bytes(); }
  KvLayout engine_layout() const {
    return passes_.transformer().kv_layout(passes_.options().kv_type);
  }

  ReuseReport answer(unsigned seed) {
    engine_.donors().make_room(engine_.pool().max_blocks());
    Task task{.id = "new", .tokens = prompt_, .max_tokens = 1, .store = false};
    const auto fresh = passes_.random_tokens(kNew, seed);
    task.tokens.insert(task.tokens.end(), fresh.begin(), fresh.end());
    task.reuse = {.mode = ReuseMode::exact, .policy = Policy::prefix};
    return engine_.run(std::move(task)).reuse;
  }

  // As many bytes from host memory, a block at a time, and nothing else.
  double copy_seconds() {
    Backend& backend = passes_.transformer().backend();
    const size_t block = engine_layout().block_bytes();
    const std::vector<std::byte> host(block, std::byte{1});
    const Buffer device(backend, DType::f32, {static_cast<int64_t>(block / sizeof(float))});
    return median_seconds(
        passes_.options().repeats, [] { return 0; },
        [&](int) {
          for (size_t done = 0; done < bytes(); done += block)
            backend.upload(device.tensor().data, host.data(), block);
          backend.synchronize();
        });
  }

  BenchPasses& passes_;
  std::vector<int32_t> prompt_;
  Engine engine_;
};

}  // namespace

Json bench_reuse(BenchPasses& passes) {
  const BenchOptions& options = passes.options();
  if (!passes.fits(options.context + 1) || options.context <= options.replaced) return {};
  passes.say(fmt::format("first {} of {} replaced", options.replaced, options.context));
  const auto old_prompt = passes.random_tokens(options.context, 1);
  Engine engine(passes.transformer(), nullptr, engine_options(passes, 4));
  engine.run({.id = "old", .tokens = old_prompt, .max_tokens = 0});

  std::vector<double> full, naive;
  for (int run = 0; run < options.repeats; ++run) {
    std::vector<int32_t> tokens = old_prompt;
    const auto fresh = passes.random_tokens(options.replaced, 100 + run);
    std::copy(fresh.begin(), fresh.end(), tokens.begin());
    Task task{.id = "new", .tokens = std::move(tokens), .tenant = "nobody", .max_tokens = 1};
    task.reuse.mode = ReuseMode::off;
    full.push_back(engine.run(task).reuse.ttft_ms);
    task.tenant.clear();
    task.reuse = {.policy = Policy::naive};
    naive.push_back(engine.run(task).reuse.ttft_ms);
  }
  Json json;
  json.set("context", options.context);
  json.set("replaced", options.replaced);
  json.set("full_ms", rounded(median(full), 100));
  json.set("naive_ms", rounded(median(naive), 100));
  json.set("speedup", rounded(median(full) / median(naive), 100));
  return json;
}

Json bench_load(BenchPasses& passes) {
  const int context = passes.options().context;
  if (!passes.fits(context + kNew + 1)) return {};
  passes.say(fmt::format("{} loaded from host memory", context));
  return LoadBench(passes).run();
}

Json bench_edit(BenchPasses& passes) {
  const BenchOptions& options = passes.options();
  if (!passes.fits(options.context) || options.context <= 2 * options.replaced) return {};
  const KvView& whole = passes.context();
  const int64_t first = options.replaced, behind = 2 * options.replaced;
  const double seconds = median_seconds(
      kEdits, [] { return KvView(); },
      [&](KvView& edited) {
        edited.append_shared(whole, 0, first, true);
        edited.append_fresh(passes.pool(), behind - first, true);
        edited.append_shared(whole, behind, whole.size() - behind, false);
      });
  Json json;
  json.set("tokens", options.context);
  json.set("replaced", options.replaced);
  json.set("ms", rounded(seconds * 1e3, 1e5));
  return json;
}

}  // namespace kvs
