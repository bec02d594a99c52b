#include "kvs/model_files.h"

#include <filesystem>

#include "kvs/error.h"
#include "model/gguf_model.h"
#include "model/hf_model.h"
#include "model/random_model.h"

namespace kvs {

void ModelFiles::check_request(WeightKind kind, int layer) const {
  if (!has_weight(config_, kind))
    fail(ErrorKind::argument, "{}: this model has no weight '{}'", source_, weight_name(kind));
  if (is_per_layer(kind) && (layer < 0 || layer >= config_.layers))
    fail(ErrorKind::argument, "{}: layer {} does not exist, expected 0 to {}", source_, layer,
         config_.layers - 1);
}

std::unique_ptr<ModelFiles> open_model_files(std::string_view model) {
  constexpr std::string_view kRandom = "random:";
  if (model.starts_with(kRandom)) return open_random_model(model.substr(kRandom.size()));
  const std::filesystem::path path(model);
  std::error_code ignored;  // the reader of a file that cannot be looked at says why
  if (std::filesystem::is_directory(path, ignored)) {
    if (!std::filesystem::exists(path / "config.json", ignored))
      fail(ErrorKind::io, "{}: a folder without config.json", path.string());
    return open_hf_model(path);
  }
  return open_gguf_model(path);
}

}  // namespace kvs
