#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/half.h"

// What sentence-transformers makes of 100 sentences (scripts/make_golden_embeddings.py).
namespace kvs::test {

inline std::filesystem::path embeddings_data() {
  return std::filesystem::path(KVS_TEST_DATA) / "embeddings";
}

inline std::vector<std::string> golden_sentences() {
  std::vector<std::string> sentences;
  std::ifstream file(embeddings_data() / "sentences.txt");
  for (std::string line; std::getline(file, line);) sentences.push_back(line);
  return sentences;
}

/// [sentences, dim], row by row.
inline std::vector<float> golden_vectors(const std::string& name) {
  std::ifstream file(embeddings_data() / name, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<uint16_t> halves(bytes.size() / 2);
  std::memcpy(halves.data(), bytes.data(), halves.size() * 2);
  std::vector<float> values;
  values.reserve(halves.size());
  for (const uint16_t half : halves) values.push_back(f16_to_f32(half));
  return values;
}

inline double cosine(const float* a, const float* b, size_t count) {
  double product = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < count; ++i) {
    product += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return product / std::sqrt(aa * bb);
}

/// The smallest cosine between a vector and its golden one; -1 where their numbers differ.
inline double worst_cosine(const std::vector<std::vector<float>>& got,
                           const std::vector<float>& want) {
  if (got.empty() || got.size() * got[0].size() != want.size()) return -1;
  double worst = 1;
  for (size_t i = 0; i < got.size(); ++i) {
    const size_t dim = got[i].size();
    worst = std::min(worst, cosine(got[i].data(), &want[i * dim], dim));
  }
  return worst;
}

}  // namespace kvs::test
