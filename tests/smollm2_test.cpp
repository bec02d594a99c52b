#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "kvs/json.h"
#include "kvs/sampler.h"
#include "support/golden_tokens.h"
#include "support/installed_model.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

// 20 prompts x 64 tokens against transformers in f32 (scripts/make_golden_smollm2.py),
// teacher-forced along the reference's output. Where its own two best logits are closer than this,
// either may win.
constexpr double kTie = 1e-2;

TEST(SmolLm2, TakesTheReferencesTokensInF32) {
  const std::string path = installed_smollm2();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no model, run scripts/get-model smollm2";
  std::ifstream file(data_path("smollm2_golden.json"));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const Json golden = Json::parse(text, "smollm2_golden.json");

  TinyModel model(path);
  const size_t vocab = model.transformer.config().vocab;
  int64_t compared = 0, ties = 0;
  for (const Json& entry : golden.get("prompts").as_array()) {
    const auto prompt = tokens_of(entry.get("prompt")), answer = tokens_of(entry.get("tokens"));
    const auto& gaps = entry.get("gaps").as_array();
    std::vector<int32_t> tokens = prompt;
    tokens.insert(tokens.end(), answer.begin(), answer.end() - 1);
    KvPool pool(*model.backend, model.transformer.kv_layout(DType::f32), 16);
    KvView view;
    view.append_fresh(pool, static_cast<int64_t>(tokens.size()), true);

    const auto logits =
        compute_rows(model.transformer, view, tokens, all_positions(tokens.size()), DType::f32);

    for (size_t step = 0; step < answer.size(); ++step) {
      if (gaps[step].as_number() < kTie) {
        ++ties;
        continue;
      }
      const size_t row = prompt.size() - 1 + step;
      ASSERT_EQ(argmax(std::span(logits).subspan(row * vocab, vocab)), answer[step])
          << "prompt " << &entry - golden.get("prompts").as_array().data() << ", token " << step;
      ++compared;
    }
  }
  EXPECT_GT(compared, 20 * 60);
  std::printf("%ld tokens equal, %ld ties left out\n", compared, ties);
}

}  // namespace
}  // namespace kvs::test
