#include "model/random_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/weight_shape.h"

namespace kvs {
namespace {

// Counts up when the generated values change, so that the fingerprint changes with them.
constexpr uint64_t kVersion = 1;

struct PublicShape {
  std::string_view name;
  std::string_view architecture;
  int layers, hidden, heads, kv_heads, ffn, vocab, context;
  float norm_eps;
  double theta;
  bool tied;
};

// As in the published config.json of each.
constexpr std::array<PublicShape, 5> kShapes{{
    {"llama-3.1-8b", "llama", 32, 4096, 32, 8, 14336, 128256, 131072, 1e-5F, 5e5, false},
    {"qwen2.5-7b", "qwen2", 28, 3584, 28, 4, 18944, 152064, 32768, 1e-6F, 1e6, false},
    {"yi-1.5-9b", "llama", 48, 4096, 32, 4, 11008, 64000, 4096, 1e-6F, 5e6, false},
    {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 4864, 151936, 32768, 1e-6F, 1e6, true},
    {"smollm2-135m", "llama", 30, 576, 9, 3, 1536, 49152, 8192, 1e-5F, 1e5, true},
}};

ModelConfig make_config(const PublicShape& shape) {
  ModelConfig config;
  config.architecture = shape.architecture;
  config.name = "random:" + std::string(shape.name);
  config.layers = shape.layers;
  config.hidden = shape.hidden;
  config.heads = shape.heads;
  config.kv_heads = shape.kv_heads;
  config.head_dim = shape.hidden / shape.heads;
  config.ffn = shape.ffn;
  config.vocab = shape.vocab;
  config.context = shape.context;
  config.norm_eps = shape.norm_eps;
  config.attention_bias = shape.architecture == "qwen2";
  config.tied_embeddings = shape.tied;
  config.rope = make_rope(shape.theta, config.head_dim);
  if (shape.name == "llama-3.1-8b") scale_llama3(config.rope, {});
  return config;
}

// Matrices keep the variance of their input; what is added to the residual stream in every layer is
// smaller, so that the stream does not grow with depth.
float standard_deviation(const ModelConfig& config, WeightKind kind, const WeightShape& shape) {
  if (shape.rows == 1) return 0.1F;  // biases
  const double one = 1 / std::sqrt(static_cast<double>(shape.cols));
  const bool residual = kind == WeightKind::o || kind == WeightKind::down;
  return static_cast<float>(residual ? one / std::sqrt(2.0 * config.layers) : one);
}

bool is_norm(WeightKind kind) {
  return kind == WeightKind::final_norm || kind == WeightKind::attention_norm ||
         kind == WeightKind::ffn_norm;
}

class RandomModel : public ModelFiles {
 public:
  explicit RandomModel(const PublicShape& shape)
      : ModelFiles(make_config(shape), "random:" + std::string(shape.name)) {}

  WeightRows get(WeightKind kind, int layer) const override {
    check_request(kind, layer);
    const WeightShape shape = weight_shape(config(), kind);
    if (is_norm(kind))
      return {shape.rows, shape.cols, [shape](int64_t, int64_t count, float* out) {
                std::fill_n(out, count * shape.cols, 1.0F);
              }};
    const int place = is_per_layer(kind) ? layer : 0;
    const RandomRows random{
        .key = kVersion << 32 | static_cast<uint64_t>(kind) << 16 | static_cast<uint64_t>(place),
        .rows = shape.rows,
        .limit = std::sqrt(3.0F) * standard_deviation(config(), kind, shape)};
    return {shape.rows, shape.cols,
            [=, cols = shape.cols](int64_t first, int64_t count, float* out) {
              generate_rows(random, first, count, cols, out);
            },
            random};
  }

  Hash128 fingerprint() const override {
    return Hasher().add(source()).add_value(kVersion).digest();
  }
};

}  // namespace

std::unique_ptr<ModelFiles> open_random_model(std::string_view shape) {
  std::vector<std::string_view> names;
  for (const PublicShape& known : kShapes) {
    if (known.name == shape) return std::make_unique<RandomModel>(known);
    names.push_back(known.name);
  }
  fail(ErrorKind::argument, "random:{}: unknown shape, expected {}", printable(shape),
       fmt::join(names, ", "));
}

}  // namespace kvs
