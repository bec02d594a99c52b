#pragma once

#include <cstdlib>
#include <string>

namespace kvs::test {

/// Where scripts/get-model puts SmolLM2, as the tools look for it; it may not be there.
inline std::string installed_smollm2() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  std::string folder = variable("KVS_MODELS");
  if (folder.empty() && !variable("XDG_CACHE_HOME").empty())
    folder = variable("XDG_CACHE_HOME") + "/kvshare/models";
  if (folder.empty()) folder = variable("HOME") + "/.cache/kvshare/models";
  return folder + "/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

}  // namespace kvs::test
