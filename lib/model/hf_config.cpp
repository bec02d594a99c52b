#include "model/hf_config.h"

#include <algorithm>
#include <array>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/json_fields.h"

namespace kvs {
namespace {

struct Family {
  std::string_view architecture;  // as config.json spells it
  std::string_view name;          // as ModelConfig does
};

constexpr std::array<Family, 4> kFamilies{{{"LlamaForCausalLM", "llama"},
                                           {"MistralForCausalLM", "mistral"},
                                           {"Qwen2ForCausalLM", "qwen2"},
                                           {"Qwen3ForCausalLM", "qwen3"}}};

std::string_view read_architecture(const JsonFields& fields) {
  const Json* list = fields.find("architectures");
  const bool named = list != nullptr && list->is_array() && list->as_array().size() == 1 &&
                     list->as_array()[0].is_string();
  if (!named)
    fail(ErrorKind::format, "{}: 'architectures' is missing or not a list of one name",
         fields.source());
  const std::string& architecture = list->as_array()[0].as_string();
  std::vector<std::string_view> known;
  for (const Family& family : kFamilies) {
    if (family.architecture == architecture) return family.name;
    known.push_back(family.architecture);
  }
  fail(ErrorKind::format, "{}: architecture '{}' is not supported, expected {}", fields.source(),
       printable(architecture), fmt::join(known, ", "));
}

void refuse_other_computations(const JsonFields& fields) {
  if (const std::string act = fields.string_or("hidden_act", "silu"); act != "silu")
    fail(ErrorKind::format, "{}: activation '{}' is not supported, expected silu", fields.source(),
         printable(act));
  if (fields.bool_or("mlp_bias", false))
    fail(ErrorKind::format, "{}: 'mlp_bias' is true, expected false", fields.source());
  if (fields.has("quantization_config"))
    fail(ErrorKind::format,
         "{}: 'quantization_config': quantised safetensors are not supported, "
         "expected F32, F16 or BF16 weights (or a GGUF file)",
         fields.source());
}

double positive(const JsonFields& fields, std::string_view key) {
  const double value = fields.get_number(key);
  if (!(value > 0))
    fail(ErrorKind::format, "{}: '{}' is {}, expected more than 0", fields.source(), key, value);
  return value;
}

void apply_llama3(Rope& rope, const JsonFields& fields) {
  const Llama3Scaling scaling{positive(fields, "factor"), positive(fields, "low_freq_factor"),
                              positive(fields, "high_freq_factor"),
                              positive(fields, "original_max_position_embeddings")};
  if (scaling.low_frequency_factor >= scaling.high_frequency_factor)
    fail(ErrorKind::format,
         "{}: 'low_freq_factor' is {}, expected less than 'high_freq_factor', {}", fields.source(),
         scaling.low_frequency_factor, scaling.high_frequency_factor);
  scale_llama3(rope, scaling);
}

Rope read_rope(const JsonFields& fields, int head_dim) {
  const auto parameters = fields.find_object("rope_parameters");
  const auto scaling = parameters ? parameters : fields.find_object("rope_scaling");
  const double theta = parameters && parameters->has("rope_theta")
                           ? parameters->get_number("rope_theta")
                           : fields.number_or("rope_theta", 10000);
  Rope rope = make_rope(theta, head_dim);
  const JsonFields& partial = parameters ? *parameters : fields;
  if (const double part = partial.number_or("partial_rotary_factor", 1); part != 1)
    fail(ErrorKind::format, "{}: 'partial_rotary_factor' is {}, expected 1", fields.source(), part);
  if (!scaling) return rope;
  const std::string type = scaling->string_or("rope_type", scaling->string_or("type", "default"));
  if (type == "linear")
    scale_linear(rope, positive(*scaling, "factor"));
  else if (type == "llama3")
    apply_llama3(rope, *scaling);
  else if (type != "default")
    fail(ErrorKind::format,
         "{}: RoPE type '{}' is not supported, expected default, linear or llama3", fields.source(),
         printable(type));
  return rope;
}

// How many layers use the sliding window.
int sliding_layers(const JsonFields& fields, const ModelConfig& config) {
  if (const Json* types = fields.find("layer_types"); types != nullptr && types->is_array()) {
    const auto& list = types->as_array();
    return static_cast<int>(std::count_if(list.begin(), list.end(), [](const Json& type) {
      return type.is_string() && type.as_string() == "sliding_attention";
    }));
  }
  if (config.architecture == "llama") return 0;
  if (config.architecture == "mistral") return config.layers;
  if (!fields.bool_or("use_sliding_window", false)) return 0;
  return std::max(0, config.layers - fields.int_or("max_window_layers", 28));
}

int read_sliding_window(const JsonFields& fields, const ModelConfig& config) {
  // The default of the Mistral class, for files that do not name it; null means none.
  const bool unnamed = config.architecture == "mistral" && !fields.is_named("sliding_window");
  const int window = fields.int_or("sliding_window", unnamed ? 4096 : 0);
  const int layers = sliding_layers(fields, config);
  if (window == 0 || window >= config.context || layers == 0) return 0;
  if (layers != config.layers)
    fail(ErrorKind::format,
         "{}: a sliding window in {} of {} layers is not supported, expected none "
         "or all",
         fields.source(), layers, config.layers);
  return window;
}

int read_head_dim(const JsonFields& fields, const ModelConfig& config) {
  if (fields.has("head_dim")) return fields.get_int("head_dim");
  if (config.architecture == "qwen3") return 128;
  if (config.heads < 1 || config.hidden % config.heads != 0)
    fail(ErrorKind::format, "{}: hidden width {}, expected a multiple of the {} heads",
         fields.source(), config.hidden, config.heads);
  return config.hidden / config.heads;
}

void read_biases(const JsonFields& fields, ModelConfig& config) {
  const bool optional = config.architecture == "llama" || config.architecture == "qwen3";
  const bool asked = optional && fields.bool_or("attention_bias", false);
  config.attention_bias = asked || config.architecture == "qwen2";
  config.output_bias = asked;
}

}  // namespace

ModelConfig read_hf_config(const Json& json, const std::string& source) {
  const JsonFields fields(json, source);
  ModelConfig config;
  config.architecture = read_architecture(fields);
  config.name = fields.string_or("_name_or_path", "");
  refuse_other_computations(fields);
  config.layers = fields.get_int("num_hidden_layers");
  config.hidden = fields.get_int("hidden_size");
  config.heads = fields.get_int("num_attention_heads");
  config.kv_heads = fields.int_or("num_key_value_heads", config.heads);
  config.head_dim = read_head_dim(fields, config);
  config.ffn = fields.get_int("intermediate_size");
  config.vocab = fields.get_int("vocab_size");
  config.context = fields.get_int("max_position_embeddings");
  config.norm_eps = static_cast<float>(fields.number_or("rms_norm_eps", 1e-6));
  read_biases(fields, config);
  config.qk_norm = config.architecture == "qwen3";
  config.tied_embeddings = fields.bool_or("tie_word_embeddings", false);
  check_config(config, source);  // bounds head_dim, before the frequencies are made
  config.sliding_window = read_sliding_window(fields, config);
  config.rope = read_rope(fields, config.head_dim);
  check_config(config, source);
  return config;
}

}  // namespace kvs
