#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/half.h"
#include "kvs/bert_embedder.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

namespace fs = std::filesystem;

// Where scripts/get-model puts the model, as the tools look for it.
fs::path model_path() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  std::string folder = variable("KVS_MODELS");
  if (folder.empty() && !variable("XDG_CACHE_HOME").empty())
    folder = variable("XDG_CACHE_HOME") + "/kvshare/models";
  if (folder.empty()) folder = variable("HOME") + "/.cache/kvshare/models";
  return fs::path(folder) / "minilm";
}

double cosine(const float* a, const float* b, size_t count) {
  double product = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < count; ++i) {
    product += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return product / std::sqrt(aa * bb);
}

class MiniLm : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(model_path() / "model.safetensors"))
      GTEST_SKIP() << "MiniLM is not installed: scripts/get-model minilm";
    backend = make_backend({.device = "cpu"});
    embedder = std::make_unique<BertEmbedder>(model_path(), *backend);
    std::ifstream file(data / "sentences.txt");
    for (std::string line; std::getline(file, line);) sentences.push_back(line);
  }

  // What sentence-transformers gives (scripts/make_golden_embeddings.py).
  std::vector<float> golden() const {
    std::ifstream file(data / "minilm.f16", std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<uint16_t> halves(bytes.size() / 2);
    std::memcpy(halves.data(), bytes.data(), halves.size() * 2);
    std::vector<float> values;
    for (const uint16_t half : halves) values.push_back(f16_to_f32(half));
    return values;
  }

  fs::path data = fs::path(KVS_TEST_DATA) / "embeddings";
  std::unique_ptr<Backend> backend;
  std::unique_ptr<BertEmbedder> embedder;
  std::vector<std::string> sentences;
};

TEST_F(MiniLm, AgreesWithSentenceTransformers) {
  const std::vector<float> want = golden();
  const auto got = embedder->embed_texts(sentences);

  ASSERT_EQ(embedder->dim(), 384);
  ASSERT_EQ(got.size(), 100U);
  ASSERT_EQ(want.size(), 100U * 384);
  double worst = 1;
  for (size_t i = 0; i < got.size(); ++i) {
    worst = std::min(worst, cosine(got[i].data(), &want[i * 384], 384));
    EXPECT_GE(cosine(got[i].data(), &want[i * 384], 384), 0.9999) << sentences[i];
    EXPECT_NEAR(cosine(got[i].data(), got[i].data(), 384), 1, 1e-6);
  }
  RecordProperty("worst_cosine", std::to_string(worst));
}

TEST_F(MiniLm, GivesTheSameVectorAloneAndInAPassWithOthers) {
  const auto all = embedder->embed_texts(sentences);

  for (const size_t i : {0, 1, 57, 99}) {
    const auto alone = embedder->embed_texts(std::span(&sentences[i], 1));
    EXPECT_NEAR(cosine(alone[0].data(), all[i].data(), 384), 1, 1e-6);
  }
}

TEST_F(MiniLm, ReadsThePromptsTextOutOfTokens) {
  const auto prompts = Tokenizer::from_json(model_path() / "tokenizer.json");
  const std::string text = "how do i change my pin";
  const std::vector<int32_t> tokens = prompts->encode(text);
  EXPECT_EQ(error_of([&] { embedder->embed(tokens); }).kind(), ErrorKind::argument);

  embedder->read_prompts_with(prompts.get());

  EXPECT_EQ(embedder->embed(tokens), embedder->embed_texts(std::span(&text, 1))[0]);
}

TEST_F(MiniLm, EmbedsAnEmptyText) {
  const std::string empty;

  const auto got = embedder->embed_texts(std::span(&empty, 1))[0];

  EXPECT_NEAR(cosine(got.data(), got.data(), 384), 1, 1e-6);
  for (const float value : got) EXPECT_TRUE(std::isfinite(value));
}

}  // namespace
}  // namespace kvs::test
