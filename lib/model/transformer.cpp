#include "kvs/transformer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "kvs/error.h"
#include "kvs/model_files.h"

namespace kvs {
namespace {

struct LayerWeights {
  Buffer attention_norm;
  std::unique_ptr<Matrix> qkv;
  std::optional<Buffer> qkv_bias;
  std::optional<Buffer> q_norm, k_norm;
  std::unique_ptr<Matrix> o;
  std::optional<Buffer> o_bias;
  Buffer ffn_norm;
  std::unique_ptr<Matrix> gate_up;
  std::unique_ptr<Matrix> down;
};

// Several matrices of one width as one, so that one product serves them.
RowReader stacked(std::vector<WeightRows> parts) {
  return [parts = std::move(parts)](int64_t first, int64_t count, float* out) {
    for (const WeightRows& part : parts) {
      const int64_t here = std::min(count, part.rows - first);
      if (here > 0) {
        part.read(first, here, out);
        out += here * part.cols;
        count -= here;
        first = 0;
      } else {
        first -= part.rows;
      }
      if (count == 0) return;
    }
  };
}

// Reads weights from files and puts them on the backend.
class Loader {
 public:
  Loader(Backend& backend, const ModelFiles& files, Compute compute,
         const Transformer::Progress& progress)
      : backend_(backend), files_(files), compute_(compute), progress_(progress) {}

  std::unique_ptr<Matrix> matrix(std::initializer_list<WeightKind> kinds, int layer = 0) {
    std::vector<WeightRows> parts;
    for (const WeightKind kind : kinds) parts.push_back(files_.get(kind, layer));
    auto packed = make_matrix(std::move(parts));
    bytes_ += packed->bytes();
    if (progress_) progress_(++done_, total_);
    return packed;
  }

  Buffer vector(std::initializer_list<WeightKind> kinds, int layer = 0) {
    std::vector<float> values;
    for (const WeightKind kind : kinds) {
      const WeightRows part = files_.get(kind, layer);
      values.resize(values.size() + part.rows * part.cols);
      part.read(0, part.rows, values.data() + values.size() - part.rows * part.cols);
    }
    Buffer buffer(backend_, DType::f32, {static_cast<int64_t>(values.size())});
    backend_.upload(buffer.tensor().data, values.data(), values.size() * sizeof(float));
    bytes_ += values.size() * sizeof(float);
    return buffer;
  }

  std::optional<Buffer> vector_if(bool present, std::initializer_list<WeightKind> kinds,
                                  int layer) {
    if (!present) return std::nullopt;
    return vector(kinds, layer);
  }

  size_t bytes() const { return bytes_; }
  void expect(int64_t matrices) { total_ = matrices; }

 private:
  std::unique_ptr<Matrix> make_matrix(std::vector<WeightRows> parts) {
    const int64_t cols = parts.front().cols;
    int64_t rows = 0;
    std::vector<RandomRows> random;
    for (const WeightRows& part : parts) {
      rows += part.rows;
      if (part.random) random.push_back(*part.random);
    }
    if (random.size() == parts.size()) return backend_.make_random_matrix(random, cols, compute_);
    return backend_.make_matrix(rows, cols, stacked(std::move(parts)), compute_);
  }

  Backend& backend_;
  const ModelFiles& files_;
  Compute compute_;
  const Transformer::Progress& progress_;
  int64_t done_ = 0, total_ = 0;
  size_t bytes_ = 0;
};

LayerWeights load_layer(Loader& load, const ModelFiles& files, int layer) {
  const ModelConfig& config = files.config();
  using enum WeightKind;
  return {.attention_norm = load.vector({attention_norm}, layer),
          .qkv = load.matrix({q, k, v}, layer),
          .qkv_bias = load.vector_if(config.attention_bias, {q_bias, k_bias, v_bias}, layer),
          .q_norm = load.vector_if(config.qk_norm, {q_norm}, layer),
          .k_norm = load.vector_if(config.qk_norm, {k_norm}, layer),
          .o = load.matrix({o}, layer),
          .o_bias = load.vector_if(config.output_bias, {o_bias}, layer),
          .ffn_norm = load.vector({ffn_norm}, layer),
          .gate_up = load.matrix({gate, up}, layer),
          .down = load.matrix({down}, layer)};
}

// A step of decoding at most: more rows are a prompt's, which does not come again.
constexpr int64_t kMostStepRows = 64;

// All that the operations of a pass depend on but their values.
std::vector<int64_t> shape_of(const Batch& batch, DType kv_type) {
  std::vector<int64_t> shape{std::ssize(batch.tokens), std::ssize(batch.logits_rows),
                             static_cast<int64_t>(kv_type)};
  for (const Batch::LayerRange& later : batch.later) shape.push_back(later.first_layer);
  return shape;
}

// The sequences up to the last of the rows: what stands behind it may not be there yet.
std::vector<BatchSequence> as_far_as_seen(std::span<const BatchRow> rows,
                                          std::span<const BatchSequence> sequences) {
  std::vector<int32_t> ends(sequences.size());
  for (const BatchRow& row : rows)
    ends[row.sequence] = std::max(ends[row.sequence], row.position + 1);
  std::vector<BatchSequence> seen(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i)
    for (KvRun run : sequences[i].runs) {
      run.count = std::min(run.count, ends[i] - run.position);
      if (run.count > 0) seen[i].runs.push_back(run);
    }
  return seen;
}

}  // namespace

struct Transformer::Weights {
  Weights(Backend& backend, const ModelFiles& files, Compute compute, const Progress& progress)
      : Weights(Loader(backend, files, compute, progress), files) {}

  Weights(Loader load, const ModelFiles& files)
      : config(files.config()), final_norm([&] {
          load.expect(4 * config.layers + (config.tied_embeddings ? 1 : 2));
          return load.vector({WeightKind::final_norm});
        }()) {
    embedding = load.matrix({WeightKind::token_embedding});
    for (int layer = 0; layer < config.layers; ++layer)
      layers.push_back(load_layer(load, files, layer));
    if (!config.tied_embeddings) untied_output = load.matrix({WeightKind::output});
    bytes = load.bytes();
  }

  const Matrix& output() const { return untied_output ? *untied_output : *embedding; }

  ModelConfig config;
  Buffer final_norm;
  std::unique_ptr<Matrix> embedding;
  std::unique_ptr<Matrix> untied_output;
  std::vector<LayerWeights> layers;
  size_t bytes = 0;
};

// What a forward pass writes, for kMaxRows rows. What only a matrix reads is of the type that the
// matrix takes; those of one width take the same.
struct Transformer::Activations {
  Activations(Backend& backend, const Weights& weights)
      : x(make(backend, weights.config.hidden)),
        normed(make_input(backend, *weights.layers.front().qkv)),
        qkv(make(backend, weights.layers.front().qkv->rows())),
        attended(make_input(backend, *weights.layers.front().o)),
        gate_up(make(backend, 2 * weights.config.ffn)),
        gated(make_input(backend, *weights.layers.front().down)),
        picked(backend, backend.activation_type(), {kMaxLogitsRows, weights.config.hidden}),
        logits(backend, backend.activation_type(), {kMaxLogitsRows, weights.config.vocab}),
        steps(backend.make_step_runner()) {}

  static Buffer make(Backend& backend, int64_t width) {
    return {backend, backend.activation_type(), {kMaxRows, width}};
  }
  static Buffer make_input(Backend& backend, const Matrix& matrix) {
    return {backend, matrix.input_type(), {kMaxRows, matrix.cols()}};
  }

  Buffer x, normed, qkv, attended, gate_up, gated, picked, logits;
  std::unique_ptr<StepRunner> steps;  ///< which write all of these
};

Transformer::Transformer(Backend& backend, const ModelFiles& files, Compute compute,
                         const Progress& progress)
    : backend_(backend),
      weights_(std::make_unique<Weights>(backend, files, compute, progress)),
      activations_(std::make_unique<Activations>(backend, *weights_)) {}

Transformer::~Transformer() = default;

const ModelConfig& Transformer::config() const {
  return weights_->config;
}
Backend& Transformer::backend() const {
  return backend_;
}
size_t Transformer::embedding_bytes() const {
  return weights_->embedding->bytes();
}
size_t Transformer::weight_bytes() const {
  return weights_->bytes;
}

KvLayout Transformer::kv_layout(DType type) const {
  const ModelConfig& config = weights_->config;
  return {.layers = config.layers,
          .kv_heads = config.kv_heads,
          .head_dim = config.head_dim,
          .type = type};
}

int64_t Transformer::layer_parameters() const {
  const LayerWeights& layer = weights_->layers.front();
  int64_t parameters = 0;
  for (const Matrix* matrix :
       {layer.qkv.get(), layer.o.get(), layer.gate_up.get(), layer.down.get()})
    parameters += matrix->rows() * matrix->cols();
  return parameters * weights_->config.layers;
}

int64_t Transformer::output_parameters() const {
  return weights_->output().rows() * weights_->output().cols();
}

AttentionConfig Transformer::attention_config(DType kv_type) const {
  const ModelConfig& config = weights_->config;
  return {.heads = config.heads,
          .kv = kv_layout(kv_type),
          .scale = 1 / std::sqrt(static_cast<float>(config.head_dim)),
          .window = config.sliding_window,
          .inverse_frequencies = config.rope.inverse_frequencies};
}

void Transformer::forward(const Batch& batch, DType kv_type, std::vector<float>& logits,
                          const BatchObserver& observer) {
  run(batch, kv_type, observer);
  download_logits(static_cast<int64_t>(batch.logits_rows.size()), logits);
}

void Transformer::run(const Batch& batch, DType kv_type, const BatchObserver& observer,
                      int64_t rows_at_once) {
  const auto rows = static_cast<int64_t>(batch.tokens.size());
  if (rows > kMaxRows)
    fail(ErrorKind::argument, "forward: {} rows, at most {} are possible", rows, kMaxRows);
  const auto pass = [&] {
    for (int64_t first = 0; first < rows; first += rows_at_once)
      run_rows(batch, first, std::min(rows_at_once, rows - first), kv_type, observer);
    compute_logits(activations_->x.tensor().rows(0, rows), batch.logits_rows);
  };
  // An observer looks at rows while they are on their way.
  const bool repeats = !observer && rows > 0 && rows <= std::min(kMostStepRows, rows_at_once);
  if (repeats && activations_->steps)
    activations_->steps->run(shape_of(batch, kv_type), pass);
  else
    pass();
}

// Rows see only what stands before them, so that later ones may come later.
void Transformer::run_rows(const Batch& batch, int64_t first, int64_t count, DType kv_type,
                           const BatchObserver& observer) {
  const Tensor x = activations_->x.tensor().rows(first, count);
  embed(x, std::span(batch.tokens).subspan(first, count));
  Observer own;
  if (observer)
    own = [&](int layer, const Tensor& qkv, const BatchPlan& plan) {
      observer(layer, first, qkv, plan);
    };
  const auto begin = batch.layout.rows.begin() + first;
  BatchLayout layout{.rows = {begin, begin + count}, .sequences = {}};
  layout.sequences = as_far_as_seen(layout.rows, batch.layout.sequences);
  int layer = 0;
  for (const Batch::LayerRange& later : batch.later) {
    run_layers(x, layout, {layer, later.first_layer}, kv_type, own);
    layout.sequences = as_far_as_seen(layout.rows, later.sequences);
    layer = later.first_layer;
  }
  run_layers(x, layout, {layer, weights_->config.layers}, kv_type, own);
}

void Transformer::embed(Tensor x, std::span<const int32_t> tokens) {
  const int vocab = weights_->config.vocab;
  for (const int32_t token : tokens)
    if (token < 0 || token >= vocab)
      fail(ErrorKind::argument, "token {} is outside the vocabulary of {}", token, vocab);
  backend_.embed(x, *weights_->embedding, tokens);
}

void Transformer::run_layers(Tensor x, const BatchLayout& layout, LayerSpan layers, DType kv_type,
                             const Observer& observer) {
  if (x.shape[0] > kMaxRows)
    fail(ErrorKind::argument, "forward: {} rows, at most {} are possible", x.shape[0], kMaxRows);
  const auto plan = backend_.plan_batch(layout, attention_config(kv_type));
  for (int layer = layers.first; layer < layers.end; ++layer) run_layer(layer, *plan, x, observer);
}

void Transformer::run_layer(int layer, const BatchPlan& plan, const Tensor& x,
                            const Observer& observer) {
  const int64_t rows = x.shape[0];
  const ModelConfig& config = weights_->config;
  const LayerWeights& weights = weights_->layers[layer];
  const auto first = [&](const Buffer& buffer) { return buffer.tensor().rows(0, rows); };
  const auto bias = [](const std::optional<Buffer>& b) { return b ? b->tensor() : Tensor{}; };
  const Tensor normed = first(activations_->normed);
  const Tensor qkv = first(activations_->qkv), attended = first(activations_->attended);
  const Tensor gate_up = first(activations_->gate_up), gated = first(activations_->gated);

  backend_.rms_norm(normed, x, weights.attention_norm.tensor(), config.norm_eps);
  backend_.matmul(qkv, normed, *weights.qkv, {.bias = bias(weights.qkv_bias)});
  if (weights.q_norm) {
    const int64_t keys = int64_t{config.heads} * config.head_dim;
    backend_.head_norm(qkv, 0, config.heads, weights.q_norm->tensor(), config.norm_eps);
    backend_.head_norm(qkv, keys, config.kv_heads, weights.k_norm->tensor(), config.norm_eps);
  }
  backend_.write_kv(qkv, plan, layer);
  backend_.attention(attended, qkv, plan, layer);
  if (observer) observer(layer, qkv, plan);
  backend_.matmul(x, attended, *weights.o, {.bias = bias(weights.o_bias), .accumulate = true});

  backend_.rms_norm(normed, x, weights.ffn_norm.tensor(), config.norm_eps);
  backend_.matmul(gate_up, normed, *weights.gate_up);
  backend_.swiglu(gated, gate_up);
  backend_.matmul(x, gated, *weights.down, {.accumulate = true});
}

void Transformer::read_logits(Tensor x, std::span<const int32_t> rows, std::vector<float>& logits) {
  compute_logits(x, rows);
  download_logits(static_cast<int64_t>(rows.size()), logits);
}

void Transformer::compute_logits(Tensor x, std::span<const int32_t> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  if (count > kMaxLogitsRows)
    fail(ErrorKind::argument, "forward: {} logits rows, at most {} are possible", count,
         kMaxLogitsRows);
  if (count == 0) return;
  const Tensor picked = activations_->picked.tensor().rows(0, count);
  const Tensor normed = activations_->normed.tensor().rows(0, count);
  const Tensor out = activations_->logits.tensor().rows(0, count);
  backend_.gather_rows(picked, x, rows);
  backend_.rms_norm(normed, picked, weights_->final_norm.tensor(), weights_->config.norm_eps);
  backend_.matmul(out, normed, weights_->output());
}

void Transformer::download_logits(int64_t rows, std::vector<float>& logits) {
  logits.resize(rows * weights_->config.vocab);
  backend_.download(logits.data(), activations_->logits.tensor().data,
                    logits.size() * sizeof(float));
}

void Transformer::top_logits(int64_t rows, std::span<TopLogit> top,
                             std::span<const LogitPlace> apart, std::span<float> values) {
  backend_.top_logits(top, activations_->logits.tensor().rows(0, rows), apart, values);
}

}  // namespace kvs
