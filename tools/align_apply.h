#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kvs/archive.h"
#include "kvs/archive_reader.h"
#include "kvs/request.h"
#include "tools/align_donors.h"

namespace kvs {

/// Writes prompts whose KV is their donors' (kvs-align --apply).
class EditedArchive {
 public:
  /// To a file, or with "-" to standard output, which must not be a terminal. The archive is for
  /// the model and layout of the first KV among those that the index in `folder` refers to. Throws
  /// Error(argument) where there is none.
  EditedArchive(const std::string& output, const std::string& folder, const DonorIndexInfo& info);

  /// Leaves of each donor the tokens that have KV fit for this archive.
  void keep_usable(std::vector<AlignDonor>& donors);

  void add(const Request& request, const std::vector<int32_t>& tokens, const AlignedPrompt& prompt);
  void finish();

 private:
  const ArchiveFile& archive(const std::filesystem::path& path);
  int64_t usable_rows(const AlignDonor& donor);

  std::map<std::filesystem::path, ArchiveFile> archives_;
  ArchiveHeader header_;
  std::optional<ArchiveWriter> writer_;
  int64_t prompts_ = 0;
  bool warned_ = false;
};

}  // namespace kvs
