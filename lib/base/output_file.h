#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "kvs/export.h"

namespace kvs {

/// Writes a file that nobody ever sees half-written: bytes go to a temporary file beside it, and
/// commit() syncs that and renames it into place. Destroyed without commit(), nothing stays. What
/// exists and is no regular file (a device, a named pipe) is written to directly.
/// Every error is an Error(io) that names the file and the system's reason.
class KVS_API OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  /// An open descriptor, written to directly and left open; `name` stands for it in messages.
  OutputFile(int descriptor, std::string name);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& name() const { return name_; }
  int64_t size() const { return size_; }  ///< bytes written
  void write(std::span<const std::byte> bytes);
  void commit();

 private:
  void create_beside(const std::filesystem::path& path);
  void discard() noexcept;

  std::string name_;
  std::filesystem::path target_;     // empty where written to directly
  std::filesystem::path temporary_;  // empty where there is none (any more)
  int descriptor_ = -1;
  bool owned_ = false;
  int64_t size_ = 0;
};

}  // namespace kvs
