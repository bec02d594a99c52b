#include "model/stored_model.h"

#include <algorithm>

#include "base/printable.h"
#include "kvs/dequantize.h"
#include "kvs/error.h"
#include "model/weight_shape.h"

namespace kvs {
namespace {

constexpr int64_t kPageBytes = 4096;
constexpr int64_t kSamples = 8;

void check_shape(const StoredWeight& weight, const WeightShape& expected) {
  const std::vector<int64_t>& shape = weight.tensor->shape;
  const bool vector = expected.rows == 1 && shape.size() == 1;
  const std::vector<int64_t> wanted = vector ? std::vector<int64_t>{expected.cols}
                                             : std::vector<int64_t>{expected.rows, expected.cols};
  if (shape != wanted)
    fail(ErrorKind::format, "{}: tensor '{}' has shape [{}], expected [{}]", weight.path,
         printable(weight.tensor->name), fmt::join(shape, ", "), fmt::join(wanted, ", "));
}

// Where, inside its head, the file keeps our row (or our element of a vector).
int64_t stored_index(int64_t index, int64_t head_dim) {
  const int64_t element = index % head_dim;
  const int64_t half = head_dim / 2;
  return index - element + (element < half ? 2 * element : 2 * (element - half) + 1);
}

void read_matrix(const StoredTensor& tensor, int64_t cols, int64_t first, int64_t count,
                 float* out) {
  const int64_t row_bytes = tensor.bytes / tensor.shape.front();
  dequantize(tensor.type, tensor.data + first * row_bytes, count * cols, out);
}

// A matrix whose heads' rows are interleaved, row by row.
void read_interleaved(const StoredTensor& tensor, const WeightShape& shape, int64_t head_dim,
                      int64_t first, int64_t count, float* out) {
  for (int64_t row = 0; row < count; ++row)
    read_matrix(tensor, shape.cols, stored_index(first + row, head_dim), 1, out + row * shape.cols);
}

void read_vector(const StoredTensor& tensor, int64_t count, int64_t head_dim, float* out) {
  std::vector<float> stored(count);
  dequantize(tensor.type, tensor.data, count, stored.data());
  for (int64_t index = 0; index < count; ++index)
    out[index] = stored[head_dim == 0 ? index : stored_index(index, head_dim)];
}

void add_config(Hasher& hasher, const ModelConfig& config) {
  hasher.add(config.architecture);
  for (const int value :
       {config.layers, config.hidden, config.heads, config.kv_heads, config.head_dim, config.ffn,
        config.vocab, int{config.attention_bias}, int{config.output_bias}, int{config.qk_norm},
        int{config.tied_embeddings}, config.sliding_window})
    hasher.add_value(value);
  hasher.add_value(config.norm_eps);
  hasher.add(std::span<const double>(config.rope.inverse_frequencies));
}

void add_samples(Hasher& hasher, const StoredTensor& tensor) {
  if (tensor.bytes <= kSamples * kPageBytes) {
    hasher.add(tensor.data, tensor.bytes);
    return;
  }
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    const int64_t at = (tensor.bytes - kPageBytes) / (kSamples - 1) * sample;
    hasher.add(tensor.data + at, kPageBytes);
  }
}

}  // namespace

void StoredModel::place_weights(const Find& find) {
  for (const WeightKind kind : all_weight_kinds()) {
    if (!has_weight(config(), kind)) continue;
    const WeightShape expected = weight_shape(config(), kind);
    for (int layer = 0; layer < (is_per_layer(kind) ? config().layers : 1); ++layer) {
      StoredWeight weight = find(kind, layer);
      check_shape(weight, expected);
      weights_.emplace(std::pair(kind, layer), std::move(weight));
    }
  }
}

bool StoredModel::is_placed(const StoredTensor& tensor) const {
  return std::any_of(weights_.begin(), weights_.end(),
                     [&](const auto& entry) { return entry.second.tensor == &tensor; });
}

WeightRows StoredModel::get(WeightKind kind, int layer) const {
  check_request(kind, layer);
  const StoredWeight& weight = weights_.at({kind, is_per_layer(kind) ? layer : 0});
  const StoredTensor& tensor = *weight.tensor;
  const WeightShape shape = weight_shape(config(), kind);
  const int64_t head_dim = weight.interleaved ? config().head_dim : 0;
  WeightRows rows{shape.rows, shape.cols, {}};
  if (shape.rows == 1)
    rows.read = [&tensor, shape, head_dim](int64_t, int64_t count, float* out) {
      if (count > 0) read_vector(tensor, shape.cols, head_dim, out);
    };
  else if (weight.interleaved)
    rows.read = [&tensor, shape, head_dim](int64_t first, int64_t count, float* out) {
      read_interleaved(tensor, shape, head_dim, first, count, out);
    };
  else
    rows.read = [&tensor, shape](int64_t first, int64_t count, float* out) {
      read_matrix(tensor, shape.cols, first, count, out);
    };
  return rows;
}

Hash128 StoredModel::fingerprint() const {
  Hasher hasher;
  add_config(hasher, config());
  for (const auto& [key, weight] : weights_) {
    const StoredTensor& tensor = *weight.tensor;
    hasher.add_value(static_cast<int>(key.first)).add_value(key.second);
    hasher.add(tensor_type_name(tensor.type)).add(std::span<const int64_t>(tensor.shape));
    add_samples(hasher, tensor);
  }
  return hasher.digest();
}

void fail_missing_tensor(const std::string& path, std::string_view name) {
  fail(ErrorKind::format, "{}: tensor '{}' is missing", path, name);
}

void fail_unknown_tensor(const std::string& path, std::string_view name,
                         std::string_view architecture) {
  fail(ErrorKind::format, "{}: tensor '{}' has no place in a model of architecture {}", path,
       printable(name), architecture);
}

}  // namespace kvs
