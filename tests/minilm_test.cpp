#include <gtest/gtest.h>

#include <cstdlib>

#include "kvs/bert_embedder.h"
#include "support/golden_embeddings.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

// Where scripts/get-model puts the model, as the tools look for it.
std::filesystem::path model_path() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  std::string folder = variable("KVS_MODELS");
  if (folder.empty() && !variable("XDG_CACHE_HOME").empty())
    folder = variable("XDG_CACHE_HOME") + "/kvshare/models";
  if (folder.empty()) folder = variable("HOME") + "/.cache/kvshare/models";
  return std::filesystem::path(folder) / "minilm";
}

TEST(MiniLm, AgreesWithSentenceTransformers) {
  if (!std::filesystem::exists(model_path() / "model.safetensors"))
    GTEST_SKIP() << "MiniLM is not installed: scripts/get-model minilm";
  const auto backend = make_backend(test_backend());
  const BertEmbedder embedder(model_path(), *backend);

  const auto got = embedder.embed_texts(golden_sentences());

  ASSERT_EQ(got.size(), 100U);
  EXPECT_EQ(embedder.dim(), 384);
  EXPECT_GE(worst_cosine(got, golden_vectors("minilm.f16")), 0.9999);
}

}  // namespace
}  // namespace kvs::test
