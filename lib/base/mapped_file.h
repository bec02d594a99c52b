#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "kvs/export.h"

namespace kvs {

/// A regular file mapped read-only into memory. The pages are shared with every process that maps
/// the same file. Bytes that disappear while it is mapped (the file is truncated in place) raise
/// SIGBUS on access: replace files by renaming over them.
class KVS_API MappedFile {
 public:
  /// Throws Error(io) where the file is missing, unreadable or not a regular file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  /// The whole content; empty for an empty file. Valid as long as this object.
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace kvs
