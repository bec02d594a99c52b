#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
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
  /// `on_wait` is called now and then while it waits; it may throw to give up.
  FolderLock(const std::filesystem::path& folder, const std::function<void()>& on_wait);

 private:
  FileHandle file_;  // the lock is the open file's
};

struct CopiedFile {
  std::filesystem::path path;
  bool is_new = false;  ///< false: the same content was there already
};

/// Fills a part of the buffer and returns its size; 0 at the end.
using ReadBytes = std::function<size_t(std::span<std::byte> buffer)>;

/// Reads from an open file. Throws Error(io) "NAME: REASON". Both must outlive the result.
ReadBytes bytes_of(const FileHandle& file, const std::string& name);

/// Copies what `read` gives into `folder`, as NAME-HASH.kva. Throws Error(io) and what `read`
/// throws; then nothing stays.
CopiedFile copy_into(const std::filesystem::path& folder, std::string_view name,
                     const ReadBytes& read);

}  // namespace kvs
