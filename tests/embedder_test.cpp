#include "kvs/embedder.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"

namespace kvs::test {
namespace {

class StaticEmbeddings : public testing::Test {
 protected:
  static double dot(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
    return sum;
  }

  std::unique_ptr<ModelFiles> files =
      open_model_files(std::string(KVS_TEST_DATA) + "/stories260K.gguf");
  StaticEmbedder embedder{*files};
};

TEST_F(StaticEmbeddings, AreWeightedMeansOfUnitLength) {
  // The definition, in double, with Zipf's law over the id.
  const std::vector<int32_t> tokens{5, 300, 5, 511};
  std::vector<double> want(embedder.dim());
  std::vector<float> row(embedder.dim());
  for (const int32_t token : tokens) {
    files->get(WeightKind::token_embedding).read(token, 1, row.data());
    const double probability = 1 / ((token + 3) * (std::log(512.0) + 0.5772));
    for (int i = 0; i < embedder.dim(); ++i) want[i] += 1e-3 / (1e-3 + probability) * row[i];
  }
  double squares = 0;
  for (const double value : want) squares += value * value;

  const auto got = embedder.embed(tokens);

  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i] / std::sqrt(squares), 1e-6);
  EXPECT_NEAR(dot(got, got), 1, 1e-6);
}

TEST_F(StaticEmbeddings, DoNotDependOnTheOrderOfTokens) {
  const std::vector<int32_t> forward{7, 8, 400}, backward{400, 8, 7};

  EXPECT_NEAR(dot(embedder.embed(forward), embedder.embed(backward)), 1, 1e-6);
}

TEST_F(StaticEmbeddings, AreZeroForNoTokens) {
  for (const float value : embedder.embed({})) EXPECT_EQ(value, 0);
}

TEST_F(StaticEmbeddings, RefuseTokensOutsideTheVocabulary) {
  const std::vector<int32_t> tokens{512};

  EXPECT_STREQ(error_of([&] { embedder.embed(tokens); }).what(),
               "token 512 is outside the vocabulary of 512");
}

}  // namespace
}  // namespace kvs::test
