#include "engine/resident_vectors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kvs::test {
namespace {

std::vector<float> unit_vector(std::mt19937_64& random, int dims) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dims);
  float square = 0;
  for (float& value : vector) {
    value = normal(random);
    square += value * value;
  }
  for (float& value : vector) value /= std::sqrt(square);
  return vector;
}

TEST(ResidentVectors, FindTheNearestOfThoseThatAreThere) {
  std::mt19937_64 random(5);
  ResidentVectors vectors;
  std::vector<std::pair<uint32_t, std::vector<float>>> there;
  for (uint32_t step = 0; step < 3000; ++step) {
    if (random() % 5 < 3 || there.empty()) {
      there.emplace_back(step, unit_vector(random, 6));
      vectors.add(step, there.back().second);
    } else {
      const auto gone = there.begin() + static_cast<int64_t>(random() % there.size());
      vectors.remove(gone->first);
      there.erase(gone);
    }
    if (step % 10 != 0 || there.empty()) continue;
    const std::vector<float> query = unit_vector(random, 6);
    const auto nearness = [&](const auto& entry) {
      return std::inner_product(query.begin(), query.end(), entry.second.begin(), 0.0F);
    };
    const auto best =
        std::max_element(there.begin(), there.end(),
                         [&](const auto& a, const auto& b) { return nearness(a) < nearness(b); });

    const auto found = vectors.search(query, 1);

    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].donor, best->first);
    EXPECT_NEAR(found[0].similarity, nearness(*best), 1e-5);
  }
  EXPECT_EQ(vectors.size(), std::ssize(there));
}

TEST(ResidentVectors, BecomeAGraphWhenTheyAreMany) {
  std::mt19937_64 random(6);
  ResidentVectors vectors;
  std::vector<std::vector<float>> all;
  for (uint32_t donor = 0; donor < 2'800; ++donor) {
    all.push_back(unit_vector(random, 8));
    vectors.add(donor, all.back());
  }
  int64_t found = 0;
  for (uint32_t donor = 0; donor < 2'800; donor += 25)
    found += vectors.search(all[donor], 1).at(0).donor == donor;

  EXPECT_GE(found, 104);                    // of 108
  EXPECT_GT(vectors.bytes(), 2'800 * 290);  // links too
}

}  // namespace
}  // namespace kvs::test
