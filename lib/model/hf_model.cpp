#include "model/hf_model.h"

#include <fmt/format.h>

#include <array>
#include <deque>
#include <map>
#include <utility>

#include "base/printable.h"
#include "kvs/error.h"
#include "kvs/json.h"
#include "model/hf_config.h"
#include "model/json_fields.h"
#include "model/json_file.h"
#include "model/safetensors.h"
#include "model/stored_model.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

std::string hf_name(WeightKind kind, int layer) {
  // In the order of WeightKind; those of layers stand behind "model.layers.N.".
  static constexpr std::array<std::string_view, 18> kNames{
      "model.embed_tokens.weight", "lm_head.weight",          "model.norm.weight",
      "input_layernorm.weight",    "self_attn.q_proj.weight", "self_attn.k_proj.weight",
      "self_attn.v_proj.weight",   "self_attn.q_proj.bias",   "self_attn.k_proj.bias",
      "self_attn.v_proj.bias",     "self_attn.q_norm.weight", "self_attn.k_norm.weight",
      "self_attn.o_proj.weight",   "self_attn.o_proj.bias",   "post_attention_layernorm.weight",
      "mlp.gate_proj.weight",      "mlp.up_proj.weight",      "mlp.down_proj.weight"};
  const std::string_view name = kNames.at(static_cast<size_t>(kind));
  return is_per_layer(kind) ? fmt::format("model.layers.{}.{}", layer, name) : std::string(name);
}

ModelConfig read_config(const fs::path& directory) {
  const fs::path adapter = directory / "adapter_config.json";
  if (is_there(adapter))
    fail(ErrorKind::format, "{}: adapters are not supported, expected a model they are merged into",
         adapter.string());
  const fs::path path = directory / "config.json";
  return read_hf_config(read_json_file(path), path.string());
}

// The safetensors files of a directory, one or as many as the index names.
class Shards {
 public:
  explicit Shards(const fs::path& directory) {
    const fs::path index = directory / "model.safetensors.index.json";
    const fs::path single = directory / "model.safetensors";
    if (is_there(index))
      open_indexed(directory, index.string());
    else if (is_there(single))
      files_.emplace_back(single);
    else
      fail(ErrorKind::io, "{}: no model.safetensors and no model.safetensors.index.json",
           directory.string());
  }

  /// The tensor and the file it is in, which is the one the index names.
  std::pair<const StoredTensor*, const SafetensorsFile*> get(const std::string& name) const {
    const SafetensorsFile* file = &files_.front();
    if (const auto found = homes_.find(name); found != homes_.end()) file = found->second;
    const StoredTensor* tensor = file->find_tensor(name);
    if (tensor == nullptr) fail_missing_tensor(file->path(), name);
    return {tensor, file};
  }

  const std::deque<SafetensorsFile>& files() const { return files_; }

 private:
  void open_indexed(const fs::path& directory, const std::string& index) {
    const Json json = read_json_file(index);
    const auto map = JsonFields(json, index).find_object("weight_map");
    if (!map) fail(ErrorKind::format, "{}: 'weight_map' is missing", index);
    std::map<std::string, const SafetensorsFile*> opened;
    for (const auto& [tensor, file] : json.get("weight_map").as_object()) {
      const std::string& name = map->get_string(tensor);
      // The index comes with the model and must not lead out of its directory.
      if (name.empty() || name == ".." || name.find('/') != std::string::npos)
        fail(ErrorKind::format, "{}: '{}' names the file '{}', expected one beside the index",
             index, printable(tensor), printable(name));
      const SafetensorsFile*& shard = opened[name];
      if (shard == nullptr) shard = &files_.emplace_back(directory / name);
      homes_.emplace(tensor, shard);
    }
    if (files_.empty()) fail(ErrorKind::format, "{}: 'weight_map' is empty", index);
  }

  std::deque<SafetensorsFile> files_;  // homes_ points into it
  std::map<std::string, const SafetensorsFile*, std::less<>> homes_;
};

class HfModel : public StoredModel {
 public:
  explicit HfModel(const fs::path& directory)
      : StoredModel(read_config(directory), directory.string()), shards_(directory) {
    place_weights([this](WeightKind kind, int layer) {
      const auto [tensor, file] = shards_.get(hf_name(kind, layer));
      return StoredWeight{tensor, file->path(), false};
    });
    for (const SafetensorsFile& file : shards_.files())
      for (const auto& [name, tensor] : file.tensors())
        if (!is_placed(tensor) && !is_redundant(name))
          fail_unknown_tensor(file.path(), name, config().architecture);
  }

 private:
  // What old files hold besides the weights: frequencies, which follow from the configuration, and
  // a copy of the embedding where it is tied.
  bool is_redundant(std::string_view name) const {
    return name.ends_with(".rotary_emb.inv_freq") ||
           (config().tied_embeddings && name == "lm_head.weight");
  }

  Shards shards_;
};

}  // namespace

std::unique_ptr<ModelFiles> open_hf_model(const fs::path& directory) {
  return std::make_unique<HfModel>(directory);
}

}  // namespace kvs
