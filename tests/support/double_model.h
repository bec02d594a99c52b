#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "kvs/model_files.h"

namespace kvs::test {

/// A transformer of the Llama family as it is defined, in double precision and one row at a time:
/// what rules that measure are compared with. Without biases, QK-Norm and window.
class DoubleModel {
 public:
  explicit DoubleModel(const ModelFiles& files);

  /// A row's keys, not rotated, and values, of all KV heads in one layer.
  struct Cached {
    std::vector<double> key, value;
  };
  using Cache = std::vector<std::map<int64_t, Cached>>;   ///< [layers], by position
  using Stream = std::map<int64_t, std::vector<double>>;  ///< residual streams by position
  /// Attention of one row in one layer, mean over the heads. weights: by position up to its own.
  using Observer =
      std::function<void(int layer, int64_t position, const std::vector<double>& weights)>;

  int layers() const { return static_cast<int>(layers_.size()); }
  Cache empty_cache() const { return Cache(layers_.size()); }
  Stream embed(std::span<const int32_t> tokens, std::span<const int64_t> positions) const;

  /// Runs rows through the layers [first, end), in order of position within a layer; their keys and
  /// values go to the cache, which has all others that they see.
  void run(Stream& rows, Cache& cache, int first, int end, const Observer& observer = {}) const;

 private:
  using Vector = std::vector<double>;
  struct Matrix {
    int64_t rows = 0, cols = 0;
    std::vector<float> values;
    Vector times(const Vector& x) const;
  };
  struct Layer {
    Matrix attention_norm, q, k, v, o, ffn_norm, gate, up, down;
  };
  static Matrix read(const ModelFiles& files, WeightKind kind, int layer = 0);
  Vector norm(const Vector& x, const Matrix& weight) const;
  Vector rotated(const Vector& x, int head, int64_t position) const;
  Vector attend(const Vector& queries, int64_t position, const std::map<int64_t, Cached>& cache,
                Vector& mass) const;

  ModelConfig config_;
  Matrix embedding_;
  std::vector<Layer> layers_;
};

}  // namespace kvs::test
