#pragma once

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "kvs/error.h"

namespace kvs::test {

/// A regular file in memory: quick to damage ten thousand times.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content)
      : descriptor_(memfd_create("kvs-test", 0)), size_(content.size()) {
    if (pwrite(descriptor_, content.data(), size_, 0) != static_cast<ssize_t>(size_))
      fail(ErrorKind::io, "no file in memory");
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }
  int descriptor() const { return descriptor_; }  ///< stands at the start
  size_t size() const { return size_; }

  void truncate(int64_t size) {
    if (ftruncate(descriptor_, size) != 0) fail(ErrorKind::io, "cannot truncate");
    size_ = static_cast<size_t>(size);
  }

  void flip_bit(size_t bit) {
    char byte = 0;
    const auto at = static_cast<off_t>(bit / 8);
    if (pread(descriptor_, &byte, 1, at) != 1) fail(ErrorKind::io, "no byte {}", at);
    byte = static_cast<char>(byte ^ 1 << bit % 8);
    if (pwrite(descriptor_, &byte, 1, at) != 1) fail(ErrorKind::io, "no byte {}", at);
  }

 private:
  int descriptor_;
  size_t size_;
};

/// Flips one bit of a file, chosen by any number, for as long as it lives.
class BitFlip {
 public:
  BitFlip(MemoryFile& file, uint64_t choice) : file_(file), bit_(choice % (8 * file.size())) {
    file_.flip_bit(bit_);
  }
  ~BitFlip() { file_.flip_bit(bit_); }
  BitFlip(const BitFlip&) = delete;
  BitFlip& operator=(const BitFlip&) = delete;

  std::string describe() const { return fmt::format("bit {} of byte {}", bit_ % 8, bit_ / 8); }

 private:
  MemoryFile& file_;
  size_t bit_;
};

}  // namespace kvs::test
