#include "kvs/bert_embedder.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/golden_embeddings.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

namespace fs = std::filesystem;

// An encoder of random weights: two layers, the first token's state as embedding, 70 tokens at
// most.
class BertEmbeddings : public testing::Test {
 protected:
  fs::path tiny = embeddings_data() / "tiny";
  std::unique_ptr<Backend> backend = make_backend(test_backend());
  std::vector<std::string> sentences = golden_sentences();

  // The tiny model with one word of one of its files replaced.
  std::string refusal(const std::string& file, const std::string& old, const std::string& now) {
    const TemporaryFolder folder;
    fs::copy(tiny, folder.path() / "m", fs::copy_options::recursive);
    const fs::path path = folder.path() / "m" / file;
    std::ifstream in(path);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    const size_t at = text.find(old);
    EXPECT_NE(at, std::string::npos) << old;
    text.replace(at, old.size(), now);
    std::ofstream(path) << text;
    std::string said = error_of([&] { BertEmbedder(folder.path() / "m", *backend); }).what();
    const std::string prefix = (folder.path() / "m").string() + "/";
    EXPECT_TRUE(said.starts_with(prefix)) << said;
    return said.substr(std::min(prefix.size(), said.size()));
  }
};

TEST_F(BertEmbeddings, AgreeWithSentenceTransformers) {
  const BertEmbedder embedder(tiny, *backend);

  const auto got = embedder.embed_texts(sentences);

  ASSERT_EQ(got.size(), 100U);
  EXPECT_GE(worst_cosine(got, golden_vectors("tiny.f16")), 0.9999);
  for (const auto& vector : got) {
    double squares = 0;
    for (const float value : vector) squares += double{value} * value;
    EXPECT_NEAR(squares, 1, 1e-6);
  }
}

TEST_F(BertEmbeddings, AreTheSameAloneAndInAPassWithOthers) {
  const BertEmbedder embedder(tiny, *backend);
  const auto all = embedder.embed_texts(sentences);

  for (const size_t i : {0, 1, 57, 99}) {
    const auto alone = embedder.embed_texts(std::span(&sentences[i], 1));
    if (backend->name() == "cpu") {
      EXPECT_EQ(alone[0], all[i]) << i;
      continue;
    }
    // CUDA divides the work by what else there is, and promises no bits.
    for (size_t d = 0; d < all[i].size(); ++d) EXPECT_NEAR(alone[0][d], all[i][d], 1e-5) << i;
  }
}

TEST_F(BertEmbeddings, ReadThePromptsTextOutOfTokens) {
  BertEmbedder embedder(tiny, *backend);
  const auto prompts =
      Tokenizer::from_gguf(GgufFile(std::string(KVS_TEST_DATA) + "/stories260K.gguf"));
  const std::string text = "once upon a time";
  const std::vector<int32_t> tokens = prompts->encode(text);
  EXPECT_EQ(error_of([&] { embedder.embed(tokens); }).kind(), ErrorKind::argument);

  embedder.read_prompts_with(prompts.get());

  EXPECT_EQ(embedder.embed(tokens), embedder.embed_texts(std::span(&text, 1))[0]);
}

TEST_F(BertEmbeddings, ExistForAnEmptyTextAndForNone) {
  const BertEmbedder embedder(tiny, *backend);
  const std::string empty;

  EXPECT_TRUE(embedder.embed_texts({}).empty());
  const auto of_empty = embedder.embed_texts(std::span(&empty, 1));
  for (const float value : of_empty.at(0)) EXPECT_TRUE(std::isfinite(value));
}

TEST_F(BertEmbeddings, HaveANameThatFollowsTheRules) {
  const TemporaryFolder folder;
  fs::copy(tiny, folder.path() / "m", fs::copy_options::recursive);
  const std::string name = BertEmbedder(tiny, *backend).name();
  EXPECT_EQ(BertEmbedder(folder.path() / "m", *backend).name(), name);

  std::ofstream(folder.path() / "m/pooling/config.json") << R"({"pooling_mode_mean_tokens": true})";

  EXPECT_NE(BertEmbedder(folder.path() / "m", *backend).name(), name);
}

TEST_F(BertEmbeddings, RefuseOtherComputations) {
  EXPECT_EQ(refusal("config.json", "\"bert\"", "\"roberta\""),
            "config.json: 'model_type' is 'roberta', expected 'bert'");
  EXPECT_EQ(refusal("config.json", "\"gelu\"", "\"relu\""),
            "config.json: 'hidden_act' is 'relu', expected 'gelu'");
  EXPECT_EQ(refusal("config.json", "\"hidden_size\": 16", "\"hidden_size\": 17"),
            "config.json: 'hidden_size' is 17, expected a multiple of the 2 heads");
  EXPECT_EQ(refusal("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 9999"),
            "config.json: 'num_hidden_layers' is 9999, expected 1 to 256");
  EXPECT_EQ(refusal("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
            "model.safetensors: tensor 'encoder.layer.2.attention.self.query.weight' is missing");
  EXPECT_EQ(refusal("config.json", "\"vocab_size\": 84", "\"vocab_size\": 85"),
            "model.safetensors: tensor 'embeddings.word_embeddings.weight' has shape [84, 16], "
            "expected [85, 16]");
  EXPECT_EQ(refusal("modules.json", "models.Pooling", "models.Dense"),
            "modules.json: module 'sentence_transformers.models.Dense' is not supported, expected "
            "Transformer, Pooling or Normalize");
  EXPECT_EQ(refusal("modules.json", "\"pooling\"", "\"../pooling\""),
            "modules.json: 'path' is '../pooling', expected a folder beside it");
  EXPECT_EQ(refusal("pooling/config.json", "cls_token", "max_tokens"),
            "pooling/config.json: pooling is 'pooling_mode_max_tokens', expected "
            "pooling_mode_mean_tokens or pooling_mode_cls_token");
}

}  // namespace
}  // namespace kvs::test
