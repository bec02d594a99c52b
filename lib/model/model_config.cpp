#include "kvs/model_config.h"

#include <cmath>

#include "kvs/error.h"
#include "kvs/model_files.h"
#include "model/weight_shape.h"

namespace kvs {
namespace {

// Far above every published model, low enough that no product of two overflows 63 bits.
constexpr int kMaxLayers = 4096;
constexpr int kMaxHeads = 65536;
constexpr int kMaxHeadDim = 4096;
constexpr int kMaxWidth = 1 << 24;
constexpr int kMaxContext = 1 << 30;

struct Range {
  const char* name;
  int64_t value;
  int64_t most;
};

}  // namespace

int64_t ModelConfig::parameters() const {
  int64_t sum = 0;
  for (const WeightKind kind : all_weight_kinds()) {
    if (!has_weight(*this, kind)) continue;
    const WeightShape shape = weight_shape(*this, kind);
    sum += shape.rows * shape.cols * (is_per_layer(kind) ? layers : 1);
  }
  return sum;
}

void check_config(const ModelConfig& config, const std::string& source) {
  for (const Range& range : {Range{"the number of layers", config.layers, kMaxLayers},
                             Range{"the hidden width", config.hidden, kMaxWidth},
                             Range{"the number of heads", config.heads, kMaxHeads},
                             Range{"the number of KV heads", config.kv_heads, kMaxHeads},
                             Range{"the head dimension", config.head_dim, kMaxHeadDim},
                             Range{"the width of the MLP", config.ffn, kMaxWidth},
                             Range{"the vocabulary", config.vocab, kMaxWidth},
                             Range{"the context", config.context, kMaxContext}})
    if (range.value < 1 || range.value > range.most)
      fail(ErrorKind::format, "{}: {} is {}, expected 1 to {}", source, range.name, range.value,
           range.most);
  if (config.heads % config.kv_heads != 0)
    fail(ErrorKind::format, "{}: {} heads, expected a multiple of the {} KV heads", source,
         config.heads, config.kv_heads);
  if (config.head_dim % 2 != 0)
    fail(ErrorKind::format, "{}: the head dimension is {}, expected an even number", source,
         config.head_dim);
  if (!(config.norm_eps >= 0) || !std::isfinite(config.norm_eps))
    fail(ErrorKind::format, "{}: the epsilon of the norms is {}, expected at least 0", source,
         config.norm_eps);
  for (const double frequency : config.rope.inverse_frequencies)
    if (!(frequency > 0) || !std::isfinite(frequency))
      fail(ErrorKind::format, "{}: a RoPE frequency is {}, expected a positive number", source,
           frequency);
}

}  // namespace kvs
