#include "tools/model_path.h"

#include <cstdlib>
#include <filesystem>

#include "kvs/error.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool looks_like_a_path(const std::string& model) {
  return model.find('/') != std::string::npos || ends_with(model, ".gguf");
}

// An installed model is a folder with one GGUF file, or a Hugging Face directory.
std::string installed_at(const fs::path& folder) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (entry.path().extension() == ".gguf") return entry.path();
  return fs::exists(folder / "config.json", none) ? folder.string() : "";
}

}  // namespace

std::string cache_folder() {
  std::string cache = variable("XDG_CACHE_HOME");
  if (cache.empty()) cache = variable("HOME") + "/.cache";
  return cache + "/kvshare";
}

std::string models_folder() {
  const std::string chosen = variable("KVS_MODELS");
  return chosen.empty() ? cache_folder() + "/models" : chosen;
}

std::string resolve_model(const std::string& model) {
  std::error_code none;
  if (model.rfind("random:", 0) == 0 || fs::exists(model, none)) return model;
  if (model.empty()) fail(ErrorKind::argument, "no model given: use -m MODEL");
  if (looks_like_a_path(model)) fail(ErrorKind::io, "{}: No such file or directory", model);

  const std::string folder = models_folder();
  const std::string path = installed_at(fs::path(folder) / model);
  if (path.empty())
    fail(ErrorKind::io,
         "{}: no such file, and no model of this name in {} (scripts/get-model installs smollm2 "
         "and minilm)",
         model, folder);
  return path;
}

}  // namespace kvs
