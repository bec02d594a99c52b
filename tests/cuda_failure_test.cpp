#include <gtest/gtest.h>

#include <numeric>

#include "backend/cuda_module.h"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/launch_grid.h"
#include "kvs/device_memory.h"
#include "kvs/engine.h"
#include "support/device_test.h"
#include "support/emulated_cuda/faults.h"
#include "support/emulated_cuda/limits.h"
#include "support/errors.h"
#include "support/http_scene.h"
#include "support/tiny_model.h"

// What goes wrong with devices, on one that can be told to.
namespace kvs::test {
namespace {

using emulated::faults;

bool starts_with(const Error& error, std::string_view text) {
  return std::string_view(error.what()).starts_with(text);
}

class CudaFailure : public testing::Test {
 protected:
  ~CudaFailure() override { emulated::heal(); }

  static Error refusal(int device = 0) {
    return error_of([&] { std::unique_ptr<Backend>(kvs_new_cuda_backend(device, {})); });
  }
};

TEST_F(CudaFailure, SaysThatThereIsNoDriver) {
  faults.count_status = cudaErrorInsufficientDriver;

  EXPECT_EQ(refusal().kind(), ErrorKind::device);
  EXPECT_TRUE(starts_with(refusal(), "no CUDA device: NVIDIA's driver is missing or older than "));
  EXPECT_EQ(kvs_cuda_device_count(), 0);
}

TEST_F(CudaFailure, SaysThatThereIsNoDevice) {
  faults.devices = 0;

  EXPECT_STREQ(refusal().what(), "no CUDA device: this machine has none");
}

TEST_F(CudaFailure, RefusesADeviceBeyondTheLast) {
  EXPECT_STREQ(refusal(9).what(), "no device cuda:9: this machine has 1, counted from 0");
  EXPECT_EQ(refusal(9).kind(), ErrorKind::device);
}

TEST_F(CudaFailure, RefusesAnOldDevice) {
  faults.major = 7;

  EXPECT_STREQ(refusal().what(),
               "cuda:0: emulated has compute capability 7.0, at least 8.0 is needed");
  EXPECT_EQ(refusal().kind(), ErrorKind::device);
}

TEST_F(CudaFailure, NamesWhatWasAskedAndWhatIsFree) {
  const auto backend = make_backend({.device = "cuda"});
  faults.memory_bytes = emulated::bytes_in_use() + 1000;

  const Error e = error_of([&] { backend->allocate(1001); });

  EXPECT_EQ(e.kind(), ErrorKind::memory);
  EXPECT_EQ(e.what(), fmt::format("cuda: out of memory: 1001 bytes asked, 1000 of {} free",
                                  faults.memory_bytes));
  backend->release(backend->allocate(1000));  // nothing else is wrong
  backend->synchronize();
}

TEST_F(CudaFailure, NamesTheOperationBehindWhichAKernelFaulted) {
  const auto backend = make_backend({.device = "cuda"});
  const Buffer x(*backend, DType::f32, {2, 8}), weight(*backend, DType::f32, {8});
  backend->gelu(x.tensor(), x.tensor());
  faults.launches_left = 0;
  backend->rms_norm(x.tensor(), x.tensor(), weight.tensor(), 1e-5F);  // it is queued, no more

  const Error next = error_of([&] { backend->gelu(x.tensor(), x.tensor()); });
  const Error later = error_of([&] { backend->synchronize(); });

  EXPECT_EQ(next.kind(), ErrorKind::device);
  EXPECT_STREQ(next.what(),
               "cuda: gelu failed, or rms_norm queued before it: an error of the emulation");
  EXPECT_STREQ(later.what(),
               "cuda: an operation failed, rms_norm or one queued before it: an error of the "
               "emulation");
}

TEST_F(CudaFailure, LeavesThePoolAsLargeAsTheMemoryIs) {
  const auto backend = make_backend({.device = "cuda"});
  KvPool pool(*backend, {.layers = 1, .kv_heads = 1, .head_dim = 8}, 100);
  faults.memory_bytes = emulated::bytes_in_use() + 5 * pool.layout().block_bytes();
  KvView view;
  view.append_fresh(pool, 3 * kBlockTokens, true);

  const Error e = error_of([&] { view.append_fresh(pool, 3 * kBlockTokens, true); });

  EXPECT_EQ(e.kind(), ErrorKind::memory);
  EXPECT_STREQ(e.what(), "kv pool: 192 more tokens need 3 blocks, 2 of 5 are free");
  EXPECT_EQ(view.size(), 3 * kBlockTokens);
  EXPECT_EQ(pool.max_blocks(), 5);
  pool.give_back();
  EXPECT_EQ(pool.max_blocks(), 4);
  EXPECT_EQ(emulated::bytes_in_use() + 2 * pool.layout().block_bytes(), faults.memory_bytes);
  view.append_fresh(pool, kBlockTokens, true);
  EXPECT_EQ(pool.blocks_left(), 0);
}

TEST_F(CudaFailure, SaysWhatMemoryTheDeviceHas) {
  faults.memory_bytes = size_t{1} << 30;
  const auto backend = make_backend({.device = "cuda"});
  const DeviceMemory before = find_device_memory(*backend).value();
  backend->release(backend->allocate(5000));

  const DeviceMemory after = find_device_memory(*backend).value();

  EXPECT_EQ(after.total, int64_t{1} << 30);
  EXPECT_EQ(after.free, before.free);
  EXPECT_GE(after.peak.value(), before.total - before.free + 5000);
}

TEST_F(CudaFailure, RefusesLaunchesThatNoDeviceTakes) {
  const int kernel = 0, other = 0;
  const auto refusal = [&](const int& of, dim3 grid, dim3 block, size_t shared_bytes) {
    EXPECT_FALSE(emulated::accepts(&of, grid, block, shared_bytes));
    const cudaError_t reason = cudaGetLastError();
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);  // it is said once
    return reason;
  };
  ASSERT_EQ(emulated::allow_shared(&kernel, cuda::kMostSharedBytes), cudaSuccess);

  EXPECT_TRUE(emulated::accepts(&kernel, {1 << 20, 65535, 65535}, {1024}, 99 << 10));
  EXPECT_TRUE(emulated::accepts(&other, {1}, {32, 32}, 48 << 10));
  EXPECT_EQ(refusal(kernel, {1}, {1025}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refusal(kernel, {1}, {32, 33}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refusal(kernel, {1}, {1, 1, 65}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refusal(kernel, {0}, {32}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refusal(kernel, {1, 65536}, {32}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refusal(kernel, {1, 1, 65536}, {32}, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refusal(other, {1}, {32}, (48 << 10) + 1), cudaErrorInvalidValue);
  EXPECT_EQ(emulated::allow_shared(&other, (99 << 10) + 1), cudaErrorInvalidValue);
}

// Nothing is read: the launch is refused before.
TEST_F(CudaFailure, PassesOnWhatTheDeviceRefuses) {
  const cuda::KvBlocks blocks{
      .planes = {}, .layer_bytes = 0, .layers = 1 << 20, .kv_heads = 1, .head_dim = 8};

  EXPECT_EQ(cuda::pack_kv(nullptr, nullptr, blocks, 1, nullptr), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cuda::top_logits(nullptr, nullptr, 65536, 8, 1, nullptr),
            cudaErrorInvalidConfiguration);
}

class CudaEngineFailure : public CudaFailure {
 protected:
  /// How much memory is left for passes, from plenty down to nothing.
  static constexpr size_t kRooms[] = {100'000, 20'000, 10'000, 6'000, 3'000, 0};

  Task task(int prompt, int64_t max_tokens = 3) const {
    Task made{.id = std::to_string(prompt), .max_tokens = max_tokens};
    made.reuse = {.policy = Policy::epic};
    for (int i = 0; i < 150; ++i) made.tokens.push_back((7 * i * (i + prompt) + prompt) % 512);
    return made;
  }
  Engine engine_of(int64_t blocks) {
    return {model.transformer, nullptr, {.max_blocks = blocks, .kv_type = DType::f32}};
  }

  TinyModel model{data_path("stories260K.gguf")};
};

TEST_F(CudaEngineFailure, DropsDonorsWhereThePoolOutgrowsTheMemory) {
  Engine engine = engine_of(1000);
  const Response first = engine.run(task(1));
  faults.memory_bytes = emulated::bytes_in_use() + 4 * engine.pool().layout().block_bytes();

  for (int prompt = 2; prompt < 6; ++prompt) {
    const Response response = engine.run(task(prompt));
    EXPECT_EQ(response.finish_reason, "length") << response.error;
  }

  EXPECT_GT(emulated::refusals, 0);
  EXPECT_LT(engine.pool().max_blocks(), 10);
  EXPECT_GT(engine.donors().evictions().room, 0);
  EXPECT_EQ(engine.run(task(1)).tokens, first.tokens);
}

// From plenty down to nothing: an answer is right or an error. The pool has no block to give back.
TEST_F(CudaEngineFailure, ComputesFewerRowsAtATimeWhereMemoryIsShort) {
  Engine plenty = engine_of(8);
  const Response want = plenty.run(task(1));
  int fewer = 0, errors = 0;
  for (const size_t room : kRooms) {
    Engine engine = engine_of(4);
    KvView held;
    held.append_fresh(engine.pool(), kBlockTokens, true);
    engine.pool().reserve(3);
    faults.memory_bytes = emulated::bytes_in_use() + room;
    emulated::refusals = 0;
    const Response got = engine.run(task(1));
    faults.memory_bytes = size_t{1} << 40;
    if (got.finish_reason == "error") {
      ++errors;
      EXPECT_TRUE(got.error.starts_with("cuda: out of memory: ")) << got.error;
    } else {
      fewer += emulated::refusals > 0;
      EXPECT_EQ(got.tokens, want.tokens) << room;
    }
    EXPECT_EQ(engine.run(task(1)).tokens, want.tokens);  // it goes on
  }
  EXPECT_GT(fewer, 0);
  EXPECT_GT(errors, 0);
}

// Each time fewer rows: steps of a shape keep what they work in. The pool has no block to give
// back.
TEST_F(CudaEngineFailure, ComparesAnAnswerWithFewerRowsAtATimeWhereMemoryIsShort) {
  Engine engine = engine_of(8);
  Task prompt = task(1);
  LayeredView view;
  prompt.on_prompt = [&](const LayeredView& computed) { view = computed; };
  engine.run(prompt);
  KvView held;
  held.append_fresh(engine.pool(), (engine.pool().blocks_left() - 1) * kBlockTokens, true);
  std::vector<int32_t> answer(50);
  std::iota(answer.begin(), answer.end(), 40);
  const auto want = engine.continuation_logits(view, answer);
  int fewer = 0;
  for (const size_t room : kRooms) {
    answer.pop_back();
    faults.memory_bytes = emulated::bytes_in_use() + room;
    emulated::refusals = 0;
    try {
      const auto got = engine.continuation_logits(view, answer);
      for (size_t row = 0; row < got.size(); ++row)
        for (size_t token = 0; token < got[row].size(); ++token)
          ASSERT_NEAR(got[row][token], want[row][token], 1e-4) << room;
      fewer += emulated::refusals > 0;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::memory);
    }
    faults.memory_bytes = size_t{1} << 40;
  }
  EXPECT_GT(fewer, 0);
  EXPECT_EQ(engine.continuation_logits(view, answer).size(), answer.size());  // it goes on
}

TEST_F(CudaEngineFailure, ExactifiesFewerRowsAtATimeWhereMemoryIsShort) {
  int fewer = 0;
  for (const size_t room : kRooms) {
    Engine engine = engine_of(8);
    engine.pool().reserve(4);
    const std::vector<int32_t> tokens = task(1).tokens;
    engine.exactify({"text", "", "", tokens, ""});
    faults.memory_bytes = emulated::bytes_in_use() + room;
    emulated::refusals = 0;
    while (engine.exactify_step()) {
    }
    faults.memory_bytes = size_t{1} << 40;
    fewer += emulated::refusals > 0 && engine.background().texts == 1;
    const Response after = engine.run(task(1));
    EXPECT_EQ(after.reuse.exact > 0, engine.background().texts == 1) << room;
  }
  EXPECT_GT(fewer, 0);
}

// Under a penalty an answer's tokens are looked up apart: more from step to step, in more memory.
TEST_F(CudaEngineFailure, FindsTheBestLogitsWithoutDonorsWhereMemoryIsShort) {
  Engine engine = engine_of(8);
  engine.run(task(1));
  Task alone = task(2, 12);
  alone.reuse.mode = ReuseMode::off;
  alone.store = false;
  alone.sampling.presence_penalty = 0.5;
  int asked = 0;
  alone.wanted = [&] {
    if (++asked != 8) return true;  // steps have been recorded by then
    faults.memory_bytes = emulated::bytes_in_use();
    emulated::refusals = 0;
    return true;
  };

  const Response got = engine.run(alone);

  EXPECT_EQ(got.finish_reason, "length") << got.error;
  EXPECT_EQ(emulated::refusals, 2);  // once, and once more behind a trim
  EXPECT_EQ(engine.donors().evictions().room, 1);
  faults.memory_bytes = size_t{1} << 40;
  EXPECT_EQ(got.tokens, engine.run(alone).tokens);
}

// What a tier is given is packed on the device, which takes memory there.
TEST_F(CudaEngineFailure, WritesNothingToATierWhereMemoryIsShort) {
  Engine engine = engine_of(8);
  engine.donors().open_tiers({.host_bytes = 1 << 20},
                             {.model = "m", .fingerprint = "f", .layout = engine.pool().layout()});
  engine.pool().reserve(4);
  engine.submit(task(1), [&](const Response&) {
    faults.memory_bytes = emulated::bytes_in_use();
    emulated::refusals = 0;
  });
  while (engine.step()) {
  }

  EXPECT_TRUE(engine.donors().finish_tiers(std::chrono::minutes(1)));
  EXPECT_GT(emulated::refusals, 0);
  EXPECT_EQ(engine.donors().tiers().at(0).failed_writes, 1);
  EXPECT_EQ(engine.donors().tiers().at(0).donors, 0);
  faults.memory_bytes = size_t{1} << 40;
  engine.run(task(2));
  EXPECT_TRUE(engine.donors().finish_tiers(std::chrono::minutes(1)));
  EXPECT_EQ(engine.donors().tiers().at(0).donors, 1);
}

TEST_F(CudaEngineFailure, EndsWhereAKernelFaults) {
  Engine engine = engine_of(8);
  engine.submit(task(1), [](const Response&) { FAIL() << "nothing was computed"; });
  faults.launches_left = 10;

  const Error e = error_of([&] { engine.step(); });

  EXPECT_EQ(e.kind(), ErrorKind::device);
  EXPECT_TRUE(starts_with(e, "cuda: ")) << e.what();
}

class CudaServerFailure : public HttpScene {
 protected:
  ~CudaServerFailure() override {
    server.reset();
    emulated::heal();
  }
};

TEST_F(CudaServerFailure, RefusesEverythingWhereAKernelFaulted) {
  start({});
  const std::string body = R"({"model":"stories","prompt":"Once upon a time","max_tokens":4})";
  ASSERT_EQ(post("/v1/completions", body).status, 200);
  ASSERT_EQ(server->failure(), "");
  faults.launches_left = 20;

  const Answer caught = post("/v1/completions", body);
  const Answer later = post("/v1/completions", body);

  EXPECT_EQ(caught.status, 503);
  EXPECT_EQ(caught.code(), "failed");
  EXPECT_EQ(later.status, 503);
  EXPECT_EQ(get("/ready").status, 503);
  EXPECT_TRUE(server->failure().starts_with("cuda: ")) << server->failure();
  EXPECT_TRUE(server->drain(std::chrono::seconds(5)).answered);
}

}  // namespace
}  // namespace kvs::test
