#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace kvs {

/// A file open for reading, or somebody else's descriptor. Move-only.
class InputFile {
 public:
  /// Throws Error(io).
  explicit InputFile(const std::filesystem::path& path);
  InputFile(int descriptor, std::string name);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  int descriptor() const { return descriptor_; }
  const std::string& name() const { return name_; }
  /// Bytes of a regular file. Throws Error(io) where it is none.
  int64_t size() const;

 private:
  std::string name_;
  int descriptor_;
  bool owned_;
};

}  // namespace kvs
