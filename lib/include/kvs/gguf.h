#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/stored_tensor.h"

namespace kvs {

/// A GGUF file, version 2 or 3, little-endian, mapped into memory. Everything is checked when it is
/// opened: afterwards every tensor's data and every metadata value lies inside the file.
/// A tensor has 1 to 4 extents, each at least 1 (the file lists them innermost first).
/// What is returned by view or pointer is valid as long as this object. Safe to read from many
/// threads. Source: GGUF specification, github.com/ggml-org/ggml/blob/master/docs/gguf.md.
class KVS_API GgufFile {
 public:
  /// Throws Error(io) where the file cannot be read, Error(format), naming file and place, where it
  /// is damaged, has another version or holds a tensor type that is not in TensorType.
  explicit GgufFile(const std::filesystem::path& path);
  ~GgufFile();
  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;

  const std::string& path() const;

  /// @name Metadata
  /// Integers of any width are int64. A float may be stored as f32 or f64. `find_…` gives nothing
  /// where the key is absent, `get_…` throws Error(format) then; both throw Error(format) where the
  /// value has another type. Arrays that are absent are empty.
  /// @{
  bool has(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  std::optional<int64_t> find_int(std::string_view key) const;
  std::optional<double> find_float(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::string_view get_string(std::string_view key) const;
  int64_t get_int(std::string_view key) const;
  double get_float(std::string_view key) const;
  bool get_bool(std::string_view key) const;
  std::vector<std::string_view> string_array(std::string_view key) const;
  std::vector<int64_t> int_array(std::string_view key) const;
  std::vector<float> float_array(std::string_view key) const;
  std::vector<bool> bool_array(std::string_view key) const;
  /// @}

  /// In the order of the file.
  const std::vector<StoredTensor>& tensors() const;
  const StoredTensor* find_tensor(std::string_view name) const;  ///< null where there is none

  /// The bytes of metadata and tensor table, from the start of the file: what names a model apart
  /// from its weights' values.
  std::string_view header_bytes() const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace kvs
