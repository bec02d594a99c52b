#include "kvs/token_embeddings.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"

namespace kvs::test {
namespace {

class TokenCosine : public testing::Test {
 protected:
  static std::unique_ptr<ModelFiles> open() {
    return open_model_files(std::string(KVS_TEST_DATA) + "/stories260K.gguf");
  }

  // The definition, in double.
  double cosine(int32_t a, int32_t b) const {
    const WeightRows table = files->get(WeightKind::token_embedding);
    std::vector<float> x(table.cols), y(table.cols);
    table.read(a, 1, x.data());
    table.read(b, 1, y.data());
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      xy += double{x[i]} * y[i];
      xx += double{x[i]} * x[i];
      yy += double{y[i]} * y[i];
    }
    return xy / std::sqrt(xx * yy);
  }

  std::unique_ptr<ModelFiles> files = open();
  TokenEmbeddings embeddings{open()};
};

TEST_F(TokenCosine, IsThatOfTheEmbeddings) {
  const std::vector<int32_t> rows{5, 300, 411}, columns{300, 17, 5, 511};

  const std::vector<float> cosines = embeddings.cosines(rows, columns);

  ASSERT_EQ(cosines.size(), 12u);
  for (size_t row = 0; row < rows.size(); ++row)
    for (size_t column = 0; column < columns.size(); ++column)
      EXPECT_NEAR(cosines[row * 4 + column], cosine(rows[row], columns[column]), 1e-6);
  EXPECT_NEAR(cosines[4], 1, 1e-6);  // 300 and itself
}

TEST_F(TokenCosine, ComparesNothingWithNothing) {
  EXPECT_TRUE(embeddings.cosines({}, {}).empty());
}

TEST_F(TokenCosine, RefusesTokensOutsideTheVocabulary) {
  const std::vector<int32_t> good{1}, bad{512}, negative{-1};

  EXPECT_STREQ(error_of([&] { embeddings.cosines(good, bad); }).what(),
               "token 512 is outside the vocabulary of 512");
  EXPECT_EQ(error_of([&] { embeddings.cosines(negative, good); }).kind(), ErrorKind::argument);
}

}  // namespace
}  // namespace kvs::test
