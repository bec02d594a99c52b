#include "kvs/token_embeddings.h"

#include <cmath>
#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

float dot(const float* a, const float* b, int64_t size) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

}  // namespace

TokenEmbeddings::TokenEmbeddings(std::unique_ptr<const ModelFiles> files)
    : files_(std::move(files)), table_(files_->get(WeightKind::token_embedding)) {}

std::vector<float> TokenEmbeddings::directions(std::span<const int32_t> tokens) const {
  const int64_t dim = table_.cols;
  std::vector<float> rows(tokens.size() * dim);
  for (size_t at = 0; at < tokens.size(); ++at) {
    if (tokens[at] < 0 || tokens[at] >= table_.rows)
      fail(ErrorKind::argument, "token {} is outside the vocabulary of {}", tokens[at],
           table_.rows);
    float* row = rows.data() + at * dim;
    table_.read(tokens[at], 1, row);
    const float squares = dot(row, row, dim);
    const float scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
    for (int64_t i = 0; i < dim; ++i) row[i] *= scale;
  }
  return rows;
}

std::vector<float> TokenEmbeddings::cosines(std::span<const int32_t> rows,
                                            std::span<const int32_t> columns) const {
  const int64_t dim = table_.cols;
  const std::vector<float> a = directions(rows), b = directions(columns);
  std::vector<float> cosines;
  cosines.reserve(rows.size() * columns.size());
  for (size_t row = 0; row < rows.size(); ++row)
    for (size_t column = 0; column < columns.size(); ++column)
      cosines.push_back(dot(a.data() + row * dim, b.data() + column * dim, dim));
  return cosines;
}

}  // namespace kvs
