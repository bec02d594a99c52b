#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kvs/gguf.h"
#include "model/gguf_reader.h"

namespace kvs {

/// The table of tensors of a GGUF file: names, shapes and types, before their data is found.
class GgufTensorTable {
 public:
  struct Entry {
    StoredTensor tensor;
    uint64_t offset = 0;  // from the start of the data
  };

  /// Reads `count` entries, which the caller has bounded by the size of the file.
  GgufTensorTable(GgufReader& reader, uint64_t count, const std::string& path);

  /// The tensors with their places in `data`, the part of the file behind the table. Throws
  /// Error(format) where one does not lie in it or is not aligned. Leaves this table empty-handed.
  std::vector<StoredTensor> place(std::span<const std::byte> data, int64_t alignment);

 private:
  std::string path_;
  std::vector<Entry> entries_;
};

}  // namespace kvs
