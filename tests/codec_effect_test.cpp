#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "kvs/divergence.h"
#include "kvs/json.h"
#include "kvs/tokenizer.h"
#include "support/archive_prompt.h"
#include "support/installed_model.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

constexpr size_t kPrompt = 1000;    // tokens whose KV is stored
constexpr size_t kContinued = 128;  // tokens of the same text behind them
constexpr size_t kTexts = 4;

// Against the KV as it was computed.
struct Effect {
  double kl = 0;     // of the next token's distribution, nats: the mean
  double top1 = 0;   // share of positions with the same most likely token
  double ratio = 0;  // bytes of the archive over those of raw f16
};

// Passages of the sample workload, joined to texts of so many tokens each.
std::vector<std::vector<int32_t>> read_texts(const Tokenizer& tokenizer) {
  std::string all;
  for (const char* name :
       {"workloads/rag.jsonl", "workloads/edit.jsonl", "workloads/dialogue.jsonl"}) {
    std::ifstream file(data_path(name));
    for (std::string line; std::getline(file, line);) {
      const Json request = Json::parse(line, name);
      for (const Json& message : request.get("messages").as_array())
        all += message.get("content").as_string() + "\n\n";
    }
  }
  const std::vector<int32_t> tokens = tokenizer.encode(all);
  std::vector<std::vector<int32_t>> texts;
  const size_t step = kPrompt + kContinued;
  for (size_t first = 0; first + step <= tokens.size() && texts.size() < kTexts; first += step)
    texts.emplace_back(tokens.begin() + first, tokens.begin() + first + step);
  return texts;
}

class CodecEffect : public testing::Test {
 protected:
  // Logits at the last stored position and behind it, where the KV of the prompt is `stored`.
  std::vector<float> go_on(const KvView& stored, const std::vector<int32_t>& text) {
    KvView view;
    view.append_shared(stored, 0, kPrompt - 1, true);
    view.append_fresh(*pool, kContinued, true);
    std::vector<int64_t> positions = all_positions(kContinued);
    for (int64_t& position : positions) position += kPrompt - 1;
    return compute_rows(model->transformer, view, text, positions, DType::f16);
  }

  KvView prefill(const std::vector<int32_t>& text) {
    KvView view;
    view.append_fresh(*pool, kPrompt, true);
    compute_rows(model->transformer, view, text, all_positions(kPrompt), DType::f16);
    return view;
  }

  // Through an archive and back.
  KvView stored_with(KvCodec codec, const KvView& view, const std::vector<int32_t>& text,
                     Effect& effect) {
    const std::filesystem::path path = folder.path() / "x.kva";
    ArchiveWriter out(path, {.model = "m", .fingerprint = "f", .layout = pool->layout()});
    archive_prompt(out, "f", *pool, view,
                   {.id = "p", .tokens = {text.begin(), text.begin() + kPrompt}}, codec);
    out.finish();
    effect.ratio += static_cast<double>(std::filesystem::file_size(path)) /
                    static_cast<double>(kPrompt * pool->layout().token_bytes() * kTexts);
    const ArchiveFile archive(path);
    return ArchivedRows(*pool).load(archive, 0, archive.read_prompt(0));
  }

  void compare(std::span<const float> full, std::span<const float> other, Effect& effect) {
    const size_t vocab = full.size() / kContinued;
    constexpr double kAll = kContinued * kTexts;
    for (size_t at = 0; at < kContinued; ++at) {
      const auto p = full.subspan(at * vocab, vocab), q = other.subspan(at * vocab, vocab);
      effect.kl += kl_divergence(p, q) / kAll;
      effect.top1 += top1_agrees(p, q) ? 1 / kAll : 0;
    }
  }

  TemporaryFolder folder;
  std::unique_ptr<TinyModel> model;
  std::unique_ptr<KvPool> pool;
};

// The figures of kvs-archive(5), "Codecs".
TEST_F(CodecEffect, LeavesTheNextTokensDistributionAlmostAlone) {
  const std::string path = installed_smollm2();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no model, run scripts/get-model smollm2";
  const auto texts = read_texts(*Tokenizer::from_gguf(GgufFile(path)));
  ASSERT_EQ(texts.size(), kTexts);
  model = std::make_unique<TinyModel>(path, Compute::bf16);
  pool = std::make_unique<KvPool>(*model->backend, model->transformer.kv_layout(DType::f16), 128);

  std::map<KvCodec, Effect> effects;
  for (const std::vector<int32_t>& text : texts) {
    const KvView view = prefill(text);
    const std::vector<float> full = go_on(view, text);
    for (const KvCodec codec : {KvCodec::shuffle, KvCodec::q8, KvCodec::q4}) {
      Effect& effect = effects[codec];
      compare(full, go_on(stored_with(codec, view, text, effect), text), effect);
    }
  }
  for (const auto& [codec, effect] : effects)
    std::printf("%-8s size %.3f  KL %.2e nats  top-1 %.4f\n",
                std::string(codec_name(codec)).c_str(), effect.ratio, effect.kl, effect.top1);

  EXPECT_EQ(effects[KvCodec::shuffle].kl, 0);
  EXPECT_LT(effects[KvCodec::q8].kl, 1e-3);
  EXPECT_GT(effects[KvCodec::q8].top1, 0.98);
  EXPECT_LT(effects[KvCodec::q4].kl, 0.15);
  EXPECT_GT(effects[KvCodec::q4].top1, 0.85);
}

}  // namespace
}  // namespace kvs::test
