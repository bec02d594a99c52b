#include <gtest/gtest.h>

#include <string>

#include "kvs/backend.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

TEST(MakeBackend, DescribesTheCpu) {
  const auto one = make_backend({.device = "cpu", .threads = 1, .cpu_level = "portable"});
  const auto two = make_backend({.device = "cpu", .threads = 2, .cpu_level = "portable"});

  EXPECT_EQ(one->name(), "cpu");
  EXPECT_EQ(one->description(), "CPU, portable, 1 thread");
  EXPECT_EQ(two->description(), "CPU, portable, 2 threads");
  EXPECT_EQ(one->activation_type(), DType::f32);
}

TEST(MakeBackend, FindsADeviceByItself) {
  const auto found = make_backend({});

  EXPECT_TRUE(found->name() == "cpu" || found->name() == "cuda");
}

TEST(MakeBackend, SaysWhyItTakesTheCpuByItself) {
  std::string reason;
  const auto found =
      make_backend({.note = [&](std::string_view why) { reason = std::string(why); }});

  EXPECT_EQ(reason.empty(), found->name() == "cuda");
  if (found->name() == "cpu") {
    EXPECT_TRUE(reason.starts_with("no CUDA ")) << reason;
    const Error refused = error_of([] { make_backend({.device = "cuda"}); });
    EXPECT_EQ(refused.what(), reason);
    EXPECT_EQ(refused.kind(), ErrorKind::device);
  }
}

TEST(MakeBackend, RefusesADeviceBeyondTheLast) {
  const Error e = error_of([] { make_backend({.device = "cuda:9999"}); });

  EXPECT_EQ(e.kind(), ErrorKind::device);
}

TEST(MakeBackend, TakesTheCpuWhereResultsMustNotDependOnTheBatch) {
  EXPECT_EQ(make_backend({.device = "auto", .deterministic = true})->name(), "cpu");
  const Error e = error_of([] { make_backend({.device = "cuda", .deterministic = true}); });
  EXPECT_EQ(e.kind(), ErrorKind::device);
  EXPECT_STREQ(e.what(), "no deterministic kernels for CUDA yet: those of the CPU are");
}

TEST(MakeBackend, RefusesWhatItDoesNotKnow) {
  const auto refusal = [](const BackendOptions& options) {
    const Error e = error_of([&] { make_backend(options); });
    EXPECT_EQ(e.kind(), ErrorKind::argument);
    return std::string(e.what());
  };

  EXPECT_EQ(refusal({.device = "tpu"}), "unknown device 'tpu', expected auto, cpu, cuda or cuda:N");
  EXPECT_EQ(refusal({.device = "cuda:x"}),
            "unknown device 'cuda:x', expected auto, cpu, cuda or cuda:N");
  EXPECT_EQ(refusal({.device = "cuda:-1"}),
            "unknown device 'cuda:-1', expected auto, cpu, cuda or cuda:N");
  EXPECT_EQ(refusal({.device = "cpu", .cpu_level = "sse9"}),
            "unknown CPU level 'sse9', expected auto, avx512, avx2 or portable");
  EXPECT_EQ(refusal({.device = "cpu", .threads = -1}),
            "the number of threads is -1, expected 0 to 1024");
}

TEST(MakeBackend, RefusesALevelThisCpuLacks) {
  std::string refusal;
  try {
    make_backend({.device = "cpu", .cpu_level = "avx512"});
    GTEST_SKIP() << "this CPU has every level";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::device);
    refusal = e.what();
  }

  EXPECT_EQ(refusal, "this CPU lacks avx512");
}

}  // namespace
}  // namespace kvs::test
