#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "kvs/error.h"
#include "kvs/json.h"
#include "kvs/sampler.h"
#include "support/golden_tokens.h"
#include "support/installed_model.h"
#include "support/tiny_model.h"

// Whether a device rounds as well as the CPU does: 20 prompts x 64 tokens of SmolLM2 in bf16.
namespace kvs::test {
namespace {

constexpr float kBf16Tie = 2e-2F;  // of the two best logits: rounding decides between them
constexpr double kLeastEqual = 0.97;

struct Forced {
  std::vector<int32_t> tokens;  ///< a prompt and its answer, but for the last token
  size_t prompt, answer;
};

/// Those of scripts/make_golden_smollm2.py.
std::vector<Forced> forced_answers() {
  std::ifstream file(data_path("smollm2_golden.json"));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const Json golden = Json::parse(text, "smollm2_golden.json");
  std::vector<Forced> all;
  for (const Json& entry : golden.get("prompts").as_array()) {
    const auto prompt = tokens_of(entry.get("prompt")), answer = tokens_of(entry.get("tokens"));
    Forced forced{prompt, prompt.size(), answer.size()};
    forced.tokens.insert(forced.tokens.end(), answer.begin(), answer.end() - 1);
    all.push_back(std::move(forced));
  }
  return all;
}

/// The logits in front of each token of the answer. [answer, vocab]
std::vector<float> answer_logits(TinyModel& model, const Forced& forced) {
  KvPool pool(*model.backend, model.transformer.kv_layout(DType::f16), 16);
  KvView view;
  view.append_fresh(pool, static_cast<int64_t>(forced.tokens.size()), true);
  const auto logits = compute_rows(model.transformer, view, forced.tokens,
                                   all_positions(forced.tokens.size()), DType::f16);
  const auto first = static_cast<int64_t>((forced.prompt - 1) * model.transformer.config().vocab);
  return {logits.begin() + first, logits.end()};
}

bool is_tie(std::span<const float> logits) {
  float best = logits[0], second = -HUGE_VALF;
  for (const float logit : logits.subspan(1)) {
    second = std::max(second, std::min(best, logit));
    best = std::max(best, logit);
  }
  return best - second < kBf16Tie;
}

// KVS_TEST_DEVICE=cpu compares the CPU with itself.
TEST(SmolLm2Parity, TakesTheTokensOfTheCpuInBf16) {
  const std::string path = installed_smollm2();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no model, run scripts/get-model smollm2";
  std::unique_ptr<TinyModel> device;
  try {
    const char* name = std::getenv("KVS_TEST_DEVICE");
    const BackendOptions options{.device = name ? name : "cuda"};
    device = std::make_unique<TinyModel>(path, Compute::bf16, options);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::device) throw;
    GTEST_SKIP() << e.what();
  }
  TinyModel cpu(path, Compute::bf16, {.device = "cpu"});
  const size_t vocab = cpu.transformer.config().vocab;

  int64_t compared = 0, equal = 0, ties = 0;
  for (const Forced& forced : forced_answers()) {
    const auto want = answer_logits(cpu, forced), got = answer_logits(*device, forced);
    ASSERT_EQ(got.size(), want.size());
    for (size_t step = 0; step < forced.answer; ++step) {
      const auto expected = std::span(want).subspan(step * vocab, vocab);
      if (is_tie(expected)) {
        ++ties;
        continue;
      }
      ++compared;
      equal += argmax(std::span(got).subspan(step * vocab, vocab)) == argmax(expected);
    }
  }

  const double share = static_cast<double>(equal) / static_cast<double>(compared);
  RecordProperty("top1",
                 fmt::format("{:.2f} % of {} tokens, {} ties", 100 * share, compared, ties));
  EXPECT_GT(compared, 20 * 55);
  EXPECT_GE(share, kLeastEqual);
}

}  // namespace
}  // namespace kvs::test
