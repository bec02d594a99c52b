#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/stored_tensor.h"

namespace kvs {

/// A safetensors file, mapped into memory. Everything is checked when it is opened: the tensors lie
/// in the file, one behind the other without holes, with the sizes that their shapes need. Source:
/// github.com/huggingface/safetensors, README, "Format".
class KVS_API SafetensorsFile {
 public:
  /// Throws Error(io) where the file cannot be read, Error(format) where it is damaged.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::string& path() const { return file_.path(); }
  /// The tensors of type F32, F16 and BF16, by name.
  const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }
  /// Null where there is none. Throws Error(format) where it is of a type that cannot be read.
  const StoredTensor* find_tensor(std::string_view name) const;

 private:
  struct Place;
  Json read_header();
  void read_entry(const std::string& name, const Json& entry, std::vector<Place>& places);
  void check_places(std::vector<Place> places) const;

  MappedFile file_;
  std::span<const std::byte> data_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> unreadable_;  // names and their types
};

}  // namespace kvs
