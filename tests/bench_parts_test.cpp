#include "eval/bench_parts.h"

#include <gtest/gtest.h>

#include "support/tiny_model.h"

// What a benchmark runs beside single passes gives figures on every device. How large they are is
// for people to judge.
namespace kvs::test {
namespace {

class BenchParts : public testing::Test {
 protected:
  BenchOptions options{.compute = Compute::f32, .repeats = 1, .context = 128, .attention = {256}};
  TinyModel model{data_path("stories260K.gguf")};
};

TEST_F(BenchParts, AttendOverOneSegmentAndOverMovedOnes) {
  BenchPasses passes(model.transformer, options);

  const Json list = bench_attention(passes, /*peak_gflops=*/1e-4);

  ASSERT_EQ(list.as_array().size(), 2U);
  for (const int at : {0, 1}) {
    const Json& row = list.as_array()[at];
    EXPECT_EQ(row.get("tokens").as_int(), 256);
    EXPECT_EQ(row.get("segments").as_int(), at == 0 ? 1 : 64);
    EXPECT_GT(row.get("ms").as_number(), 0);
    EXPECT_GT(row.get("share_of_peak").as_number(), 0);
  }
}

TEST_F(BenchParts, BringAllRowsOfADonorFromHostMemory) {
  BenchPasses passes(model.transformer, options);

  const Json load = bench_load(passes);

  EXPECT_EQ(load.get("loaded").as_int(), 128);
  EXPECT_EQ(load.get("bytes").as_int(),
            static_cast<int64_t>(128 * passes.pool().layout().token_bytes()));
  for (const char* name : {"ttft_ms", "copy_ms", "compute_ms", "ratio"})
    EXPECT_GT(load.get(name).as_number(), 0) << name;
}

TEST_F(BenchParts, ReplaceTokensOfAView) {
  BenchPasses passes(model.transformer, options);

  EXPECT_GT(bench_edit(passes).get("ms").as_number(), 0);
  EXPECT_GT(bench_reuse(passes).get("speedup").as_number(), 0);
}

TEST_F(BenchParts, DecodeSeveralSequencesTogether) {
  BenchPasses passes(model.transformer, options);
  const std::vector<KvView> views{passes.cached(70), passes.cached(64), passes.cached(1)};

  EXPECT_GT(passes.step_seconds(views), 0);
  EXPECT_EQ(views[0].size(), 70);
}

TEST_F(BenchParts, SayWhatMemoryADeviceHas) {
  Json memory{Json::Object{}};

  add_device_memory(*model.backend, memory);

  const Json* total = memory.find("device_total_bytes");
  EXPECT_EQ(total != nullptr, model.backend->name() == "cuda");
  if (!total) return;
  const int64_t free = memory.get("device_free_bytes").as_int();
  EXPECT_GT(free, 0);
  EXPECT_LT(free, total->as_int());
  EXPECT_GE(memory.get("device_peak_bytes").as_int(), total->as_int() - free);
}

TEST_F(BenchParts, LeaveOutWhatTheModelIsTooShortFor) {
  options.context = 1 << 20;
  options.attention = {1 << 20, 64};
  BenchPasses passes(model.transformer, options);

  EXPECT_TRUE(bench_attention(passes, 1).as_array().empty());
  for (const Json& json : {bench_edit(passes), bench_load(passes), bench_reuse(passes)})
    EXPECT_FALSE(json.is_object());
}

}  // namespace
}  // namespace kvs::test
