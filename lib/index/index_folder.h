#pragma once

#include <filesystem>
#include <string_view>

namespace kvs {

/// An open file; closed with this object.
class FileHandle {
 public:
  /// Throws Error(io) "PATH: REASON".
  FileHandle(const std::filesystem::path& path, int flags);
  ~FileHandle();
  FileHandle(FileHandle&& other) noexcept;

  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Waits until no other writer has the folder and keeps it until this object goes.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);

 private:
  FileHandle file_;  // the lock is the open file's
};

struct CopiedFile {
  std::filesystem::path path;
  bool is_new = false;  ///< false: the same content was there already
};

/// Copies what a descriptor gives into `folder`, as NAME-HASH.kva. Throws Error(io), naming
/// `source` where reading fails; then nothing stays.
CopiedFile copy_into(const std::filesystem::path& folder, std::string_view name, int descriptor,
                     std::string_view source);

}  // namespace kvs
