#pragma once

#include "kvs/gguf.h"
#include "kvs/model_config.h"

namespace kvs {

/// The configuration that a GGUF file's metadata describe. Throws Error(format) where a value is
/// missing or absurd, or names an architecture or RoPE type that this program does not run. Source:
/// GGUF specification, "Standardized key-value pairs".
ModelConfig read_gguf_config(const GgufFile& file);

/// The tensor of factors that divide the RoPE frequencies.
inline constexpr const char* kRopeFactors = "rope_freqs.weight";

}  // namespace kvs
