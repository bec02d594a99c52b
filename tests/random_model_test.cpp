#include <gtest/gtest.h>

#include <cmath>

#include "kvs/model_files.h"
#include "support/errors.h"
#include "support/weight_values.h"

namespace kvs::test {
namespace {

struct Public {
  const char* name;
  int64_t parameters;
};

class RandomModel : public ::testing::TestWithParam<Public> {};

// The numbers that the models' pages give.
TEST_P(RandomModel, HasAsManyParametersAsTheModelItIsNamedAfter) {
  const auto model = open_model_files(std::string("random:") + GetParam().name);

  EXPECT_EQ(model->config().parameters(), GetParam().parameters);
  check_config(model->config(), model->source());
}

INSTANTIATE_TEST_SUITE_P(Shapes, RandomModel,
                         ::testing::Values(Public{"llama-3.1-8b", 8030261248},
                                           Public{"qwen2.5-7b", 7615616512},
                                           Public{"yi-1.5-9b", 8829407232},
                                           Public{"qwen2.5-0.5b", 494032768},
                                           Public{"smollm2-135m", 134515008}));

TEST(RandomModel, GivesTheSameRowsHoweverTheyAreRead) {
  const auto model = open_model_files("random:smollm2-135m");
  const WeightRows weight = model->get(WeightKind::k, 3);
  const std::vector<float> all = read_all(weight);

  std::vector<float> row(weight.cols);
  for (const int64_t at : {0, 1, 77, 191}) {
    weight.read(at, 1, row.data());
    EXPECT_EQ(row, std::vector<float>(all.begin() + at * weight.cols,
                                      all.begin() + (at + 1) * weight.cols));
  }
}

TEST(RandomModel, GivesValuesThatNeverChange) {
  const auto model = open_model_files("random:smollm2-135m");
  std::vector<float> row(576);

  model->get(WeightKind::q, 0).read(0, 1, row.data());

  EXPECT_FLOAT_EQ(row[0], 0.023548227F);
  EXPECT_FLOAT_EQ(row[575], 0.062093873F);
}

TEST(RandomModel, KeepsMeanAndVarianceOfEveryWeight) {
  const auto model = open_model_files("random:smollm2-135m");

  const std::vector<float> values = read_all(model->get(WeightKind::gate, 0));

  double sum = 0;
  double squares = 0;
  for (const float value : values) {
    sum += value;
    squares += value * value;
  }
  const auto count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0, 1e-3 / 24);
  EXPECT_NEAR(squares / count * 576, 1, 0.01);
}

TEST(RandomModel, GivesEveryWeightOtherValues) {
  const auto model = open_model_files("random:qwen2.5-0.5b");

  EXPECT_NE(read_all(model->get(WeightKind::k, 0)), read_all(model->get(WeightKind::v, 0)));
  EXPECT_NE(read_all(model->get(WeightKind::k, 0)), read_all(model->get(WeightKind::k, 1)));
  EXPECT_EQ(read_all(model->get(WeightKind::ffn_norm, 1)), std::vector<float>(896, 1.0F));
  EXPECT_EQ(model->get(WeightKind::k_bias, 1).cols, 128);
}

TEST(RandomModel, HasAFingerprintPerShape) {
  const auto first = open_model_files("random:smollm2-135m");

  EXPECT_EQ(first->fingerprint(), open_model_files("random:smollm2-135m")->fingerprint());
  EXPECT_NE(first->fingerprint(), open_model_files("random:qwen2.5-0.5b")->fingerprint());
}

TEST(RandomModel, NamesTheShapesThereAre) {
  const Error e = error_of([] { open_model_files("random:gpt-5"); });

  EXPECT_EQ(e.kind(), ErrorKind::argument);
  EXPECT_STREQ(e.what(),
               "random:gpt-5: unknown shape, expected llama-3.1-8b, qwen2.5-7b, yi-1.5-9b, "
               "qwen2.5-0.5b, smollm2-135m");
}

}  // namespace
}  // namespace kvs::test
