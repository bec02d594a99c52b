#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kvs/archive.h"
#include "kvs/backend.h"
#include "kvs/export.h"
#include "kvs/prompt_encoder.h"
#include "kvs/transformer.h"

namespace kvs {

struct ModelOptions {
  Compute compute = Compute::bf16;
  PromptEncoder::Options prompts;
  Transformer::Progress progress;  ///< while weights are loaded
};

/// A model ready to answer: its weights on a backend and its tokenizer.
class KVS_API Model {
 public:
  /// `name`: what open_model_files takes. The backend must outlive the model.
  Model(const std::string& name, Backend& backend, const ModelOptions& options);

  const std::string& name() const { return name_; }  ///< for people
  Transformer& transformer() { return *transformer_; }
  const PromptEncoder& prompts() const { return prompts_; }

  /// Equal for models whose KV may stand for one another: files, shape and arithmetic.
  const std::string& fingerprint() const { return fingerprint_; }

  /// The header of archives with this model's KV. `kv_type` is the pool's; `creator` the program.
  ArchiveHeader archive_header(DType kv_type, std::string creator) const;

 private:
  std::string name_;
  PromptEncoder prompts_;
  std::string fingerprint_;
  std::unique_ptr<Transformer> transformer_;
};

/// A type of cached keys and values: "f16", "bf16", "f32" or "q8". Throws Error(argument).
KVS_API DType kv_type_from_name(std::string_view name);

}  // namespace kvs
