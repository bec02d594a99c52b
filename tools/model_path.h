#pragma once

#include <string>

namespace kvs {

/// kvshare in $XDG_CACHE_HOME or ~/.cache.
std::string cache_folder();

/// The folder that scripts/get-model installs models into: $KVS_MODELS, else models in the cache
/// folder.
std::string models_folder();

/// Where the model is that a user called `model`: a path and random:SHAPE stay what they are, the
/// name of an installed model becomes its path. Throws Error(io) where there is none.
std::string resolve_model(const std::string& model);

}  // namespace kvs
