#include "model/gguf_config.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/printable.h"
#include "kvs/dequantize.h"
#include "kvs/error.h"
#include "model/stored_model.h"

namespace kvs {
namespace {

// Metadata under "<architecture>.".
class Section {
 public:
  Section(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  int extent(std::string_view name) const { return check(name, file_.get_int(key(name))); }
  int extent(std::string_view name, int64_t otherwise) const {
    return check(name, file_.find_int(key(name)).value_or(otherwise));
  }
  double number(std::string_view name, double otherwise) const {
    return file_.find_float(key(name)).value_or(otherwise);
  }
  std::string_view text(std::string_view name, std::string_view otherwise) const {
    return file_.find_string(key(name)).value_or(otherwise);
  }

 private:
  int check(std::string_view name, int64_t value) const {
    if (value < 0 || value > std::numeric_limits<int>::max())
      fail(ErrorKind::format, "{}: metadata '{}' is {}, expected 0 to {}", file_.path(), key(name),
           value, std::numeric_limits<int>::max());
    return static_cast<int>(value);
  }

  const GgufFile& file_;
  std::string prefix_;
};

void apply_factors(Rope& rope, const StoredTensor& factors, const std::string& path) {
  const auto count = static_cast<int64_t>(rope.inverse_frequencies.size());
  if (factors.shape != std::vector<int64_t>{count})
    fail(ErrorKind::format, "{}: tensor '{}' has shape [{}], expected [{}]", path, kRopeFactors,
         fmt::join(factors.shape, ", "), count);
  std::vector<float> values(count);
  dequantize(factors.type, factors.data, count, values.data());
  for (int64_t at = 0; at < count; ++at) rope.inverse_frequencies[at] /= values[at];
  rope.scaling = Rope::Scaling::llama3;
}

double linear_factor(const GgufFile& file, const Section& section) {
  const std::string_view scaling = section.text("rope.scaling.type", "none");
  const double factor =
      section.number("rope.scaling.factor", section.number("rope.scale_linear", 1));
  if (scaling != "none" && scaling != "linear")
    fail(ErrorKind::format, "{}: RoPE type '{}' is not supported, expected none or linear",
         file.path(), printable(scaling));
  // The older key stands alone; the newer one counts only where the type says so.
  const bool linear = scaling == "linear" || !file.has(section.key("rope.scaling.type"));
  return linear ? factor : 1;
}

Rope read_rope(const GgufFile& file, const Section& section, int head_dim) {
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"})
    if (file.find_tensor(name) != nullptr)
      fail(ErrorKind::format, "{}: RoPE type 'longrope' is not supported, expected none or linear",
           file.path());
  Rope rope = make_rope(section.number("rope.freq_base", 10000), head_dim);
  if (const double factor = linear_factor(file, section); factor != 1) scale_linear(rope, factor);
  if (const StoredTensor* factors = file.find_tensor(kRopeFactors))
    apply_factors(rope, *factors, file.path());
  return rope;
}

void refuse_parts(const GgufFile& file) {
  const int64_t parts = file.find_int("split.count").value_or(1);
  if (parts > 1)
    fail(ErrorKind::format, "{}: one of {} parts of a model, expected a model in one file",
         file.path(), parts);
}

std::string_view read_architecture(const GgufFile& file) {
  static constexpr std::array<std::string_view, 3> kKnown{"llama", "qwen2", "qwen3"};
  const std::string_view architecture = file.get_string("general.architecture");
  if (std::find(kKnown.begin(), kKnown.end(), architecture) == kKnown.end())
    fail(ErrorKind::format, "{}: architecture '{}' is not supported, expected {}", file.path(),
         printable(architecture), fmt::join(kKnown, ", "));
  return architecture;
}

void refuse_other_computations(const GgufFile& file, const Section& section, int head_dim) {
  if (section.extent("expert_count", 0) > 0)
    fail(ErrorKind::format, "{}: mixture of experts ('{}') is not supported", file.path(),
         section.key("expert_count"));
  for (const char* name : {"attention.value_length", "rope.dimension_count"})
    if (const int value = section.extent(name, head_dim); value != head_dim)
      fail(ErrorKind::format, "{}: metadata '{}' is {}, expected {}, the head dimension",
           file.path(), section.key(name), value, head_dim);
}

int read_head_dim(const GgufFile& file, const Section& section, const ModelConfig& config) {
  if (file.has(section.key("attention.key_length"))) return section.extent("attention.key_length");
  if (config.heads < 1 || config.hidden % config.heads != 0)
    fail(ErrorKind::format, "{}: hidden width {}, expected a multiple of the {} heads", file.path(),
         config.hidden, config.heads);
  return config.hidden / config.heads;
}

int read_vocab(const GgufFile& file, const Section& section) {
  if (file.has(section.key("vocab_size"))) return section.extent("vocab_size");
  const StoredTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) fail_missing_tensor(file.path(), "token_embd.weight");
  return static_cast<int>(std::min<int64_t>(embedding->shape[0], std::numeric_limits<int>::max()));
}

}  // namespace

ModelConfig read_gguf_config(const GgufFile& file) {
  ModelConfig config;
  refuse_parts(file);
  config.architecture = read_architecture(file);
  config.name = file.find_string("general.name").value_or("");
  const Section section(file, config.architecture);
  config.layers = section.extent("block_count");
  config.hidden = section.extent("embedding_length");
  config.heads = section.extent("attention.head_count");
  config.kv_heads = section.extent("attention.head_count_kv", config.heads);
  config.head_dim = read_head_dim(file, section, config);
  config.ffn = section.extent("feed_forward_length");
  config.vocab = read_vocab(file, section);
  config.context = section.extent("context_length");
  config.sliding_window = section.extent("attention.sliding_window", 0);
  config.norm_eps =
      static_cast<float>(file.get_float(section.key("attention.layer_norm_rms_epsilon")));
  config.attention_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  config.output_bias = file.find_tensor("blk.0.attn_output.bias") != nullptr;
  config.qk_norm = config.architecture == "qwen3";
  config.tied_embeddings = file.find_tensor("output.weight") == nullptr;
  check_config(config, file.path());  // bounds head_dim, before the frequencies are made
  refuse_other_computations(file, section, config.head_dim);
  config.rope = read_rope(file, section, config.head_dim);
  check_config(config, file.path());
  return config;
}

}  // namespace kvs
