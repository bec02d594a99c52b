#include "model/encoder.h"

#include <algorithm>
#include <cmath>

#include "kvs/error.h"

namespace kvs {
namespace {

int64_t most_rows(const BertConfig& config) {
  return std::max(Encoder::kMaxRows, config.max_tokens);
}

int64_t blocks_of(int64_t rows) {
  return (rows + kBlockTokens - 1) / kBlockTokens;
}

Buffer activations(Backend& backend, const BertConfig& config, int64_t width) {
  return {backend, DType::f32, {most_rows(config), width}};
}

// out = the pooled states of `count` rows.
void pool(Pooling pooling, const float* states, int64_t count, int64_t width, float* out) {
  if (count == 0) return;
  if (pooling == Pooling::cls) {
    std::copy_n(states, width, out);
    return;
  }
  for (int64_t i = 0; i < width; ++i) {
    double sum = 0;
    for (int64_t row = 0; row < count; ++row) sum += states[row * width + i];
    out[i] = static_cast<float>(sum / static_cast<double>(count));
  }
}

}  // namespace

Encoder::Encoder(const std::filesystem::path& directory, const BertConfig& config, Backend& backend)
    : config_(config),
      backend_(backend),
      weights_(directory, config, backend),
      layout_{
          .layers = 1, .kv_heads = config.heads, .head_dim = config.head_dim(), .type = DType::f32},
      x_(activations(backend, config, config.hidden)),
      qkv_(activations(backend, config, 3 * config.hidden)),
      attended_(activations(backend, config, config.hidden)),
      wide_(activations(backend, config, config.ffn)),
      blocks_(backend, DType::f32,
              {blocks_of(most_rows(config)),
               static_cast<int64_t>(layout_.block_bytes() / sizeof(float))}) {}

// All rows of a text stand at its last position, so that each sees all; the order of the words is
// in their embeddings, and no key is rotated. Rows fill the blocks one text behind the other.
BatchLayout Encoder::lay_out(std::span<const std::vector<int32_t>> texts) const {
  BatchLayout layout;
  auto* blocks = static_cast<std::byte*>(blocks_.tensor().data);
  int32_t row = 0;
  for (const std::vector<int32_t>& text : texts) {
    const auto sequence = static_cast<int32_t>(layout.sequences.size());
    const auto length = static_cast<int32_t>(text.size());
    BatchSequence& runs = layout.sequences.emplace_back();
    for (int32_t at = 0; at < length; ++at, ++row) {
      void* block = blocks + (row / kBlockTokens) * layout_.block_bytes();
      const int32_t slot = row % kBlockTokens;
      layout.rows.push_back({sequence, length - 1, block, slot});
      if (at == 0 || slot == 0)
        runs.runs.push_back({.block = block, .first = slot, .count = 0, .position = at});
      ++runs.runs.back().count;
    }
  }
  return layout;
}

void Encoder::embed(std::span<const std::vector<int32_t>> texts, int64_t rows) const {
  std::vector<float> values(rows * config_.hidden);
  float* out = values.data();
  for (const std::vector<int32_t>& text : texts)
    for (size_t at = 0; at < text.size(); ++at, out += config_.hidden)
      weights_.embed(text[at], static_cast<int32_t>(at), out);
  backend_.upload(x_.tensor().data, values.data(), values.size() * sizeof(float));
  const LayerNormParameters& norm = weights_.embedding_norm();
  const Tensor x = rows_of(x_, rows);
  backend_.layer_norm(x, x, norm.weight.tensor(), norm.bias.tensor(), config_.norm_eps);
}

void Encoder::run_layer(const BertLayer& layer, const BatchPlan& plan, int64_t rows) const {
  const Tensor x = rows_of(x_, rows), qkv = rows_of(qkv_, rows);
  const Tensor attended = rows_of(attended_, rows), wide = rows_of(wide_, rows);
  const auto norm = [&](const LayerNormParameters& by) {
    backend_.layer_norm(x, x, by.weight.tensor(), by.bias.tensor(), config_.norm_eps);
  };

  backend_.matmul(qkv, x, *layer.qkv.matrix, {.bias = layer.qkv.bias.tensor()});
  backend_.write_kv(qkv, plan, 0);
  backend_.attention(attended, qkv, plan, 0);
  backend_.matmul(x, attended, *layer.attended.matrix,
                  {.bias = layer.attended.bias.tensor(), .accumulate = true});
  norm(layer.attention_norm);
  backend_.matmul(wide, x, *layer.wide.matrix, {.bias = layer.wide.bias.tensor()});
  backend_.gelu(wide, wide);
  backend_.matmul(x, wide, *layer.narrow.matrix,
                  {.bias = layer.narrow.bias.tensor(), .accumulate = true});
  norm(layer.output_norm);
}

std::vector<float> Encoder::encode(std::span<const std::vector<int32_t>> texts) const {
  const BatchLayout layout = lay_out(texts);
  const auto rows = static_cast<int64_t>(layout.rows.size());
  const auto plan = backend_.plan_batch(
      layout, {.heads = config_.heads,
               .kv = layout_,
               .scale = 1 / std::sqrt(static_cast<float>(config_.head_dim())),
               .inverse_frequencies = std::vector<double>(config_.head_dim() / 2)});
  embed(texts, rows);
  for (const BertLayer& layer : weights_.layers()) run_layer(layer, *plan, rows);

  std::vector<float> states(rows * config_.hidden);
  backend_.download(states.data(), x_.tensor().data, states.size() * sizeof(float));
  std::vector<float> pooled(texts.size() * config_.hidden);
  const float* from = states.data();
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto count = static_cast<int64_t>(texts[i].size());
    pool(config_.pooling, from, count, config_.hidden, &pooled[i * config_.hidden]);
    from += count * config_.hidden;
  }
  return pooled;
}

}  // namespace kvs
