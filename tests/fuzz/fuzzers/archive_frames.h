#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvs::test {

/// An archive taken apart, so that a mutation reaches behind its checksums.
struct ArchiveFrame {
  bool packed = false;  ///< `bytes` is the content of a zstd frame; else they stand as they are
  std::string bytes;
};

/// The frames of an archive; what is none becomes one frame that is not packed.
std::vector<ArchiveFrame> split_archive(std::string_view archive);

/// Puts the frames together, with the checksums, hashes and offsets that a writer would give them.
std::string join_archive(const std::vector<ArchiveFrame>& frames);

}  // namespace kvs::test
