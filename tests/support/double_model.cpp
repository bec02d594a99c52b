#include "support/double_model.h"

#include <cmath>

#include "support/reference.h"

namespace kvs::test {

DoubleModel::Matrix DoubleModel::read(const ModelFiles& files, WeightKind kind, int layer) {
  const WeightRows weight = files.get(kind, layer);
  Matrix matrix{weight.rows, weight.cols, std::vector<float>(weight.rows * weight.cols)};
  weight.read(0, weight.rows, matrix.values.data());
  return matrix;
}

DoubleModel::DoubleModel(const ModelFiles& files)
    : config_(files.config()), embedding_(read(files, WeightKind::token_embedding)) {
  for (int layer = 0; layer < config_.layers; ++layer)
    layers_.push_back({read(files, WeightKind::attention_norm, layer),
                       read(files, WeightKind::q, layer), read(files, WeightKind::k, layer),
                       read(files, WeightKind::v, layer), read(files, WeightKind::o, layer),
                       read(files, WeightKind::ffn_norm, layer),
                       read(files, WeightKind::gate, layer), read(files, WeightKind::up, layer),
                       read(files, WeightKind::down, layer)});
}

DoubleModel::Vector DoubleModel::Matrix::times(const Vector& x) const {
  Vector out(rows);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < cols; ++i) out[row] += values[row * cols + i] * x[i];
  return out;
}

DoubleModel::Vector DoubleModel::norm(const Vector& x, const Matrix& weight) const {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double root = std::sqrt(squares / static_cast<double>(x.size()) + config_.norm_eps);
  Vector out(x.size());
  for (size_t i = 0; i < x.size(); ++i) out[i] = x[i] / root * weight.values[i];
  return out;
}

DoubleModel::Vector DoubleModel::rotated(const Vector& x, int head, int64_t position) const {
  const int half = config_.head_dim / 2;
  const double* from = x.data() + head * config_.head_dim;
  Vector out(config_.head_dim);
  for (int i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * config_.rope.inverse_frequencies[i];
    out[i] = from[i] * std::cos(angle) - from[half + i] * std::sin(angle);
    out[half + i] = from[i] * std::sin(angle) + from[half + i] * std::cos(angle);
  }
  return out;
}

DoubleModel::Vector DoubleModel::attend(const Vector& queries, int64_t position,
                                        const std::map<int64_t, Cached>& cache,
                                        Vector& mass) const {
  const int dim = config_.head_dim, group = config_.heads / config_.kv_heads;
  Vector out(queries.size());
  mass.assign(position + 1, 0);
  for (int head = 0; head < config_.heads; ++head) {
    const Vector query = rotated(queries, head, position);
    Vector weights(position + 1);
    double total = 0;
    for (int64_t p = 0; p <= position; ++p) {
      const Vector key = rotated(cache.at(p).key, head / group, p);
      double score = 0;
      for (int d = 0; d < dim; ++d) score += query[d] * key[d];
      total += weights[p] = std::exp(score / std::sqrt(dim));
    }
    for (int64_t p = 0; p <= position; ++p) {
      mass[p] += weights[p] / total / config_.heads;
      const double* value = cache.at(p).value.data() + head / group * dim;
      for (int d = 0; d < dim; ++d) out[head * dim + d] += weights[p] / total * value[d];
    }
  }
  return out;
}

DoubleModel::Stream DoubleModel::embed(std::span<const int32_t> tokens,
                                       std::span<const int64_t> positions) const {
  Stream rows;
  for (const int64_t position : positions) {
    const float* row = embedding_.values.data() + tokens[position] * embedding_.cols;
    rows[position].assign(row, row + embedding_.cols);
  }
  return rows;
}

void DoubleModel::run(Stream& rows, Cache& cache, int first, int end,
                      const Observer& observer) const {
  for (int index = first; index < end; ++index) {
    const Layer& layer = layers_[index];
    for (auto& [position, x] : rows) {
      const Vector normed = norm(x, layer.attention_norm);
      cache[index][position] = {layer.k.times(normed), layer.v.times(normed)};
      Vector mass;
      const Vector attended =
          layer.o.times(attend(layer.q.times(normed), position, cache[index], mass));
      for (size_t i = 0; i < x.size(); ++i) x[i] += attended[i];
      if (observer) observer(index, position, mass);

      const Vector inner = norm(x, layer.ffn_norm);
      Vector gated = layer.gate.times(inner);
      const Vector up = layer.up.times(inner);
      for (size_t i = 0; i < gated.size(); ++i) gated[i] = reference_silu(gated[i]) * up[i];
      const Vector down = layer.down.times(gated);
      for (size_t i = 0; i < x.size(); ++i) x[i] += down[i];
    }
  }
}

}  // namespace kvs::test
