#pragma once

#include <string>

#include "kvs/json.h"
#include "kvs/model_config.h"

namespace kvs {

/// The configuration that a Hugging Face config.json describes; `source` names it in messages.
/// Reads `rope_theta` with `rope_scaling` as well as the `rope_parameters` of transformers 5.
/// Throws Error(format) where a field is missing or absurd, or names an architecture, RoPE type or
/// activation that this program does not run. Source: transformers 5, the configuration classes of
/// Llama, Mistral, Qwen2 and Qwen3.
ModelConfig read_hf_config(const Json& json, const std::string& source);

}  // namespace kvs
