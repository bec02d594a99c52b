#pragma once

#include "index/byte_stream.h"
#include "index/vector_factory.h"
#include "kvs/vector_index.h"

namespace kvs {

/// A vector index whose bytes are ours rather than FAISS's, whose reader trusts its input: the
/// factory and the dimensions, a body, and a checksum.
class KVS_API StoredVectorIndex : public VectorIndex {
 public:
  std::vector<std::byte> to_bytes() const final;

  virtual void write_body(ByteWriter& out) const = 0;
  /// Into an empty index. Throws Error(format) through the reader.
  virtual void read_body(ByteReader& in) = 0;
};

}  // namespace kvs
