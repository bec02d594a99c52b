#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// A vector index as bytes: ours rather than FAISS's, whose reader trusts its input.
struct VectorFile {
  std::string factory;
  int dims = 0;
  std::vector<float> vectors;  ///< [n, dims]
};

KVS_API std::vector<std::byte> write_vectors(const VectorFile& file);
/// Throws Error(format), naming `source`, where the bytes are damaged, Error(mismatch) where
/// another version wrote them.
VectorFile read_vectors(std::span<const std::byte> bytes, std::string_view source);

}  // namespace kvs
