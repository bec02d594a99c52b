#include <cmath>
#include <map>

#include "kvs/embedder.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr double kSmoothing = 1e-3;  // "a" of the paper
constexpr double kFirstRank = 3;     // flattens the head of Zipf's law (Mandelbrot)

double weight_of(int32_t token, int64_t vocab) {
  const double harmonic = std::log(static_cast<double>(vocab)) + 0.5772;
  const double probability = 1 / ((token + kFirstRank) * harmonic);
  return kSmoothing / (kSmoothing + probability);
}

}  // namespace

StaticEmbedder::StaticEmbedder(const ModelFiles& files)
    : table_(files.get(WeightKind::token_embedding)), dim_(static_cast<int>(table_.cols)) {}

std::vector<float> StaticEmbedder::embed(std::span<const int32_t> tokens) const {
  std::map<int32_t, double> weights;  // each row is read once, in order of the file
  for (const int32_t token : tokens) {
    if (token < 0 || token >= table_.rows)
      fail(ErrorKind::argument, "token {} is outside the vocabulary of {}", token, table_.rows);
    weights[token] += weight_of(token, table_.rows);
  }

  std::vector<double> sum(dim_);
  std::vector<float> row(dim_);
  for (const auto& [token, weight] : weights) {
    table_.read(token, 1, row.data());
    for (int i = 0; i < dim_; ++i) sum[i] += weight * row[i];
  }

  double squares = 0;
  for (const double value : sum) squares += value * value;
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  std::vector<float> embedding(dim_);
  for (int i = 0; i < dim_; ++i) embedding[i] = static_cast<float>(sum[i] * scale);
  return embedding;
}

}  // namespace kvs
