#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "support/temporary_folder.h"
#include "support/tier_scene.h"

namespace kvs::test {

/// Donors on a disk, and what is there of them.
class DiskTier : public TierScene {
 protected:
  TierOptions options(int64_t bytes = 1 << 30) const {
    return {.disk = (folder.path() / "tier").string(),
            .disk_bytes = bytes,
            .first_look_ms = kLong,
            .load_ms = kLong};
  }

  std::vector<std::filesystem::path> files(const std::string& kind = "") const {
    std::vector<std::filesystem::path> found;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path() / "tier")) {
      const std::string name = file.path().filename().string();
      if (file.is_regular_file() && name != "LOCK" && name.starts_with(kind))
        found.push_back(file.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  int64_t folders() const {  // in the model's
    const std::filesystem::path model = files().at(0).parent_path().parent_path();
    return std::count_if(std::filesystem::directory_iterator(model), {},
                         [](const auto& entry) { return entry.is_directory(); });
  }

  int64_t bytes_on_disk() const {
    int64_t bytes = 0;
    for (const std::filesystem::path& file : files())
      bytes += static_cast<int64_t>(std::filesystem::file_size(file));
    return bytes;
  }

  static TierState state(const Process& process) { return process.store.tiers().at(0); }

  TemporaryFolder folder;
};

}  // namespace kvs::test
