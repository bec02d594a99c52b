#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "support/device_test.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

class TopLogits : public DeviceTest {
 protected:
  struct Found {
    std::vector<TopLogit> top;
    std::vector<float> values, left;
  };
  Found find(const std::vector<float>& logits, int64_t rows, int count,
             const std::vector<LogitPlace>& apart = {}) {
    const auto vocab = static_cast<int64_t>(logits.size()) / rows;
    const Buffer buffer = floats(logits, {rows, vocab});
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    Found found{.top = std::vector<TopLogit>(rows * count, {-1, kNan}),
                .values = std::vector<float>(apart.size(), kNan),
                .left = {}};
    backend->top_logits(found.top, buffer.tensor(), apart, found.values);
    found.left = on_host(buffer);
    return found;
  }
};
INSTANTIATE_TEST_SUITE_P(On, TopLogits, testing::ValuesIn(test_devices()), device_name);

/// The definition: all sorted.
std::vector<TopLogit> sorted(std::span<const float> logits, int count) {
  std::vector<int32_t> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  std::stable_sort(tokens.begin(), tokens.end(), [&](int32_t a, int32_t b) {
    if (std::isnan(logits[a]) || std::isnan(logits[b])) return !std::isnan(logits[a]);
    return logits[a] > logits[b];
  });
  std::vector<TopLogit> top;
  for (int i = 0; i < count; ++i) top.push_back({tokens[i], logits[tokens[i]]});
  return top;
}

void expect_same(std::span<const TopLogit> got, const std::vector<TopLogit>& want) {
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got[i].token, want[i].token) << i;
    if (!std::isnan(want[i].logit)) {
      ASSERT_EQ(got[i].logit, want[i].logit) << i;
    }
  }
}

/// Few different values, so that many are equal.
std::vector<float> coarse(int64_t count, unsigned seed) {
  std::vector<float> values = noise(count, seed);
  for (float& x : values) x = std::round(100 * x);
  return values;
}

TEST_P(TopLogits, FindsTheLargestInOrder) {
  for (const int64_t vocab : {1, 7, 64, 2048, 2049, 10000})
    for (const int64_t rows : {1, 3})
      for (const int count : {1, 5, 64}) {
        if (count > vocab) continue;
        SCOPED_TRACE(testing::Message() << rows << " x " << vocab << ", " << count);
        const auto seed = static_cast<unsigned>(vocab + count);
        for (const auto& logits : {noise(rows * vocab, seed), coarse(rows * vocab, seed)}) {
          const Found found = find(logits, rows, count);

          for (int64_t row = 0; row < rows; ++row)
            expect_same(std::span(found.top).subspan(row * count, count),
                        sorted(std::span(logits).subspan(row * vocab, vocab), count));
          EXPECT_EQ(found.left, logits);
        }
      }
}

TEST_P(TopLogits, PutsNanBehindAllOthers) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> logits{kNan, -kInf, -0.0F, 3, 0, -kNan, kInf, -1e-40F};

  const Found found = find(logits, 1, 8);

  const int32_t want[] = {6, 3, 2, 4, 7, 1, 0, 5};
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(found.top[i].token, want[i]) << i;
  EXPECT_TRUE(std::isnan(found.top[7].logit));
  EXPECT_EQ(found.top[5].logit, -kInf);
  EXPECT_EQ(find(std::vector<float>(3, kNan), 1, 1).top[0].token, 0);
}

TEST_P(TopLogits, SetsSomeApart) {
  const std::vector<float> logits = noise(2 * 5000, 3);
  const std::vector<TopLogit> best = sorted(std::span(logits).first(5000), 3);
  const std::vector<LogitPlace> apart{{0, best[0].token}, {1, 4999}, {0, best[2].token}, {1, 0}};

  const Found found = find(logits, 2, 4, apart);

  std::vector<float> others = logits;
  for (size_t i = 0; i < apart.size(); ++i) {
    float& logit = others[apart[i].row * 5000 + apart[i].token];
    EXPECT_EQ(found.values[i], logit);
    logit = std::numeric_limits<float>::quiet_NaN();
  }
  for (size_t row = 0; row < 2; ++row)
    expect_same(std::span(found.top).subspan(4 * row, 4),
                sorted(std::span(others).subspan(5000 * row, 5000), 4));
  for (size_t i = 0; i < others.size(); ++i)
    ASSERT_EQ(std::isnan(found.left[i]), std::isnan(others[i])) << i;
}

TEST_P(TopLogits, SaysWhatDoesNotFit) {
  const Buffer logits = floats(noise(200, 1), {2, 100});
  std::vector<TopLogit> top(2);
  std::vector<float> values(1);
  const auto message = [&](std::vector<LogitPlace> apart) -> std::string {
    return error_of([&] { backend->top_logits(top, logits.tensor(), apart, values); }).what();
  };

  EXPECT_EQ(message({{1, 100}}), "top_logits: token 100 of row 1 is not in 2 rows of 100");
  EXPECT_EQ(message({}), "top_logits: room for 1 values of 0 logits");
  top.resize(130);
  EXPECT_EQ(message({{0, 0}}), "top_logits: room for 130 of 2 rows of 100 logits");
  backend->top_logits({}, floats({}, {0, 100}).tensor(), {}, {});
}

}  // namespace
}  // namespace kvs::test
