// HNSW and IVF against comparing with every vector.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "index/vector_factory.h"
#include "kvs/hash.h"
#include "kvs/vector_index.h"
#include "support/errors.h"

namespace kvs {
namespace {

using test::error_of;

constexpr int kDims = 16;
constexpr int64_t kRows = 10'000;
constexpr int64_t kFew = 2500;  // a graph is slow to build, codes need many
const char* const kStructures[] = {"HNSW16", "IVF32,Flat", "IVF32,PQ8"};

// Vectors of length 1 in 100 clusters.
std::vector<float> clustered(uint64_t seed, int64_t count) {
  std::mt19937_64 random(seed), centres(7);
  std::normal_distribution<float> normal;
  std::vector<float> centre(100 * kDims);
  for (float& value : centre) value = normal(centres);
  std::vector<float> vectors(count * kDims);
  for (int64_t row = 0; row < count; ++row) {
    const float* around = &centre[random() % 100 * kDims];
    double squares = 0;
    for (int at = 0; at < kDims; ++at) {
      float& value = vectors[row * kDims + at];
      value = around[at] + 0.5f * normal(random);
      squares += double{value} * value;
    }
    for (int at = 0; at < kDims; ++at)
      vectors[row * kDims + at] /= static_cast<float>(std::sqrt(squares));
  }
  return vectors;
}

std::unique_ptr<VectorIndex> make(const char* factory, std::span<const float> vectors) {
  if (factory != std::string_view("IVF32,PQ8")) vectors = vectors.first(kFew * kDims);
  auto index = make_vector_index(kDims, factory);
  index->train(vectors);
  index->add(vectors);
  return index;
}

std::vector<int64_t> rows(const std::vector<VectorMatch>& matches) {
  std::vector<int64_t> all;
  for (const VectorMatch& match : matches) all.push_back(match.row);
  std::sort(all.begin(), all.end());
  return all;
}

double recall_at_10(const VectorIndex& index, const VectorIndex& flat) {
  const auto queries = clustered(99, 100);
  double common = 0;
  for (int64_t at = 0; at < 100; ++at) {
    const auto query = std::span(queries).subspan(at * kDims, kDims);
    const auto expected = rows(flat.search(query, 10)), found = rows(index.search(query, 10));
    std::vector<int64_t> both;
    std::set_intersection(expected.begin(), expected.end(), found.begin(), found.end(),
                          std::back_inserter(both));
    common += static_cast<double>(both.size());
  }
  return common / 1000;
}

TEST(VectorStructure, FindsNearlyAllThatComparingWithAllFinds) {
  const auto vectors = clustered(1, kRows);
  const auto flat = make("Flat", vectors);

  EXPECT_GT(recall_at_10(*make("HNSW16", vectors), *flat), 0.98);
  EXPECT_GT(recall_at_10(*make("IVF32,Flat", vectors), *flat), 0.9);
  const auto all = make_vector_index(kDims);
  all->add(vectors);
  const double quantised = recall_at_10(*make("IVF32,PQ8", vectors), *all);
  EXPECT_GT(quantised, 0.5);
  EXPECT_LT(quantised, 1);
}

// Many prompts that hardly differ have the same embedding.
TEST(VectorStructure, FindsOthersBesideManyThatAreEqual) {
  auto vectors = clustered(1, kFew);
  for (int64_t row = 0; row < 300; ++row)
    std::copy_n(&vectors[0], kDims, &vectors[row * 5 * kDims]);
  const auto graph = make("HNSW32", vectors);

  int missed = 0;
  for (int64_t row = 1; row < kFew; row += 5)
    missed += graph->search(std::span(vectors).subspan(row * kDims, kDims), 1).at(0).row != row;
  EXPECT_LT(missed, 25);  // of 500
}

TEST(VectorStructure, ComesBackFromItsBytesAndGrows) {
  const auto vectors = clustered(1, kRows);
  const auto query = clustered(5, 1);
  for (const char* factory : kStructures) {
    const auto index = make(factory, vectors);

    const auto again = read_vector_index(index->to_bytes(), "x");

    EXPECT_EQ(again->factory(), factory);
    EXPECT_EQ(again->size(), index->size());
    EXPECT_EQ(again->search(query, 10), index->search(query, 10));
    EXPECT_EQ(again->row(77), index->row(77));
    EXPECT_EQ(again->to_bytes(), index->to_bytes());
    again->add(query);
    EXPECT_EQ(again->search(query, 1).at(0).row, index->size()) << factory;
  }
}

TEST(VectorStructure, KeepsSomeRows) {
  const auto vectors = clustered(1, kRows);
  std::vector<int64_t> kept;
  for (int64_t row = 5; row < kFew; row += 3) kept.push_back(row);
  for (const char* factory : {"Flat", "HNSW16", "IVF32,Flat", "IVF32,PQ8"}) {
    const auto index = make(factory, vectors);
    const auto row = index->row(kept[40]);

    index->keep(kept);

    EXPECT_EQ(index->size(), static_cast<int64_t>(kept.size()));
    EXPECT_EQ(index->row(40), row);
    const auto found = index->search(row, 10);
    EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const VectorMatch& match) {
      return match.row == 40;
    })) << factory;
    EXPECT_EQ(read_vector_index(index->to_bytes(), "x")->search(row, 10), found);
    index->keep({});
    EXPECT_EQ(index->size(), 0);
    EXPECT_TRUE(index->search(row, 10).empty());
  }
}

TEST(VectorStructure, NeedsVectorsToLearnFrom) {
  const auto index = make_vector_index(kDims, "IVF32,PQ8");
  const auto few = clustered(1, 100);

  EXPECT_STREQ(error_of([&] { index->train(few); }).what(),
               "vector index: IVF32,PQ8 learns from 100 vectors, expected at least 9984");
  EXPECT_STREQ(error_of([&] { index->add(few); }).what(),
               "vector index: IVF32,PQ8 takes vectors once it is trained");
  EXPECT_TRUE(index->search(clustered(2, 1), 5).empty());
  EXPECT_EQ(read_vector_index(index->to_bytes(), "x")->size(), 0);
}

// The checksum is made to fit, as by somebody who means harm: then it is an error or an index that
// can be searched, never a crash.
TEST(VectorStructure, SurvivesForgedBytes) {
  const auto vectors = clustered(1, kFew);
  const auto query = clustered(5, 1);
  for (const char* factory : {"HNSW4", "IVF4,Flat"}) {
    const auto bytes = make(factory, vectors)->to_bytes();
    std::mt19937_64 random(3);
    int refused = 0;
    for (int round = 0; round < 600; ++round) {
      auto forged = bytes;
      const size_t body = forged.size() - 16;
      // Half of them behind the vectors, where the structure is.
      const size_t first = round % 2 ? body - std::min<size_t>(body, 20'000) : 0;
      forged[first + random() % (body - first)] = static_cast<std::byte>(random());
      const auto seal = to_bytes(hash_bytes(forged.data(), body));
      std::memcpy(forged.data() + body, seal.data(), seal.size());
      try {
        read_vector_index(forged, "x")->search(query, 10);
      } catch (const Error& error) {
        ++refused;
      }
    }
    EXPECT_GT(refused, 20) << factory;
  }
}

TEST(VectorFactory, KnowsWhatFaissCallsThem) {
  for (const char* name : {"Flat", "HNSW32", "IVF1024,Flat", "IVF1024,PQ96"})
    EXPECT_EQ(parse_vector_factory(name, 384).name(), name);
  EXPECT_EQ(parse_vector_factory("HNSW16,Flat").name(), "HNSW16");
  EXPECT_EQ(parse_vector_factory("IVF8,PQ4x8").name(), "IVF8,PQ4");
  for (const char* name :
       {"", "flat", "HNSW", "HNSW0", "HNSW1", "HNSW32,", "HNSW99999", "IVF8", "IVF8,PQ",
        "IVF0,Flat", "IVF8,PQ4x4", "PQ8", "IVF-1,Flat", "IVF99999999999,Flat"})
    EXPECT_EQ(error_of([&] { parse_vector_factory(name); }).kind(), ErrorKind::argument) << name;
  EXPECT_STREQ(error_of([&] { parse_vector_factory("IVF8,PQ7", 384); }).what(),
               "vector index: factory 'IVF8,PQ7': 384 dimensions do not divide by 7");
}

TEST(VectorFactory, IsChosenByTheNumberOfVectors) {
  const auto chosen = [](int64_t count, int dims) {
    return choose_vector_factory("auto", count, dims).name();
  };
  EXPECT_EQ(chosen(0, 384), "Flat");
  EXPECT_EQ(chosen(10'000, 384), "Flat");
  EXPECT_EQ(chosen(10'001, 384), "HNSW32");
  EXPECT_EQ(chosen(999'999, 384), "HNSW32");
  EXPECT_EQ(chosen(1'000'000, 384), "IVF2048,PQ96");
  EXPECT_EQ(chosen(9'000'000, 577), "IVF8192,PQ1");
  EXPECT_EQ(choose_vector_factory("IVF64,Flat", 2000, 8).name(), "Flat");
  EXPECT_EQ(choose_vector_factory("IVF64,Flat", 64 * 39, 8).name(), "IVF64,Flat");
}

}  // namespace
}  // namespace kvs
