#include "model/gguf_model.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "kvs/gguf.h"
#include "model/gguf_config.h"
#include "model/stored_model.h"

namespace kvs {
namespace {

std::string gguf_name(WeightKind kind, int layer) {
  // In the order of WeightKind; those of layers stand behind "blk.N.".
  static constexpr std::array<std::string_view, 18> kNames{
      "token_embd.weight",  "output.weight",    "output_norm.weight", "attn_norm.weight",
      "attn_q.weight",      "attn_k.weight",    "attn_v.weight",      "attn_q.bias",
      "attn_k.bias",        "attn_v.bias",      "attn_q_norm.weight", "attn_k_norm.weight",
      "attn_output.weight", "attn_output.bias", "ffn_norm.weight",    "ffn_gate.weight",
      "ffn_up.weight",      "ffn_down.weight"};
  const std::string_view name = kNames.at(static_cast<size_t>(kind));
  return is_per_layer(kind) ? fmt::format("blk.{}.{}", layer, name) : std::string(name);
}

// Files of architecture llama are written for interleaved pairing, those of the qwens are not.
bool is_interleaved(const ModelConfig& config, WeightKind kind) {
  using enum WeightKind;
  return config.architecture == "llama" &&
         (kind == q || kind == k || kind == q_bias || kind == k_bias);
}

class GgufModel : public StoredModel {
 public:
  explicit GgufModel(GgufFile file)
      : StoredModel(read_gguf_config(file), file.path()), file_(std::move(file)) {
    place_weights([this](WeightKind kind, int layer) { return find(kind, layer); });
    for (const StoredTensor& tensor : file_.tensors())
      if (!is_placed(tensor) && tensor.name != kRopeFactors)
        fail_unknown_tensor(file_.path(), tensor.name, config().architecture);
  }

 private:
  StoredWeight find(WeightKind kind, int layer) const {
    const std::string name = gguf_name(kind, layer);
    const StoredTensor* tensor = file_.find_tensor(name);
    if (tensor == nullptr) fail_missing_tensor(file_.path(), name);
    return {tensor, file_.path(), is_interleaved(config(), kind)};
  }

  GgufFile file_;
};

}  // namespace

std::unique_ptr<ModelFiles> open_gguf_model(const std::filesystem::path& path) {
  return std::make_unique<GgufModel>(GgufFile(path));
}

}  // namespace kvs
