#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// A stored vector near a query.
struct VectorMatch {
  int64_t row = 0;
  float similarity = 0;  ///< inner product; the cosine where both are normalised

  bool operator==(const VectorMatch&) const = default;
};

/// Vectors, numbered from 0 in the order they were added, and a search for those with the largest
/// inner product. Made by make_vector_index. Searching is thread-safe as long as nothing changes.
/// `threads` is at least 1; with more than one a graph depends on their timing.
class KVS_API VectorIndex {
 public:
  virtual ~VectorIndex();

  virtual int dims() const = 0;
  virtual int64_t size() const = 0;
  /// How it searches, as FAISS's index_factory spells it.
  virtual std::string factory() const = 0;

  /// Learns centroids from vectors like those to come, once; "Flat" and "HNSW" need none and ignore
  /// it. vectors: [n, dims]. Throws Error(argument) where they are too few: 39 times the lists.
  virtual void train(std::span<const float> vectors, int threads = 1) = 0;
  /// vectors: [n, dims]. Throws Error(argument) where their number does not divide by dims, or
  /// before train().
  virtual void add(std::span<const float> vectors, int threads = 1) = 0;
  /// Row rows[i] becomes row i; all others go. `rows` ascends. HNSW is built again.
  virtual void keep(std::span<const int64_t> rows, int threads = 1) = 0;
  /// query: [dims]. At most `limit` rows, the largest inner product first; on equal ones the lowest
  /// row. Only "Flat" finds all of them for certain. Throws Error(argument) for another size of
  /// query.
  virtual std::vector<VectorMatch> search(std::span<const float> query, int64_t limit,
                                          int threads = 1) const = 0;
  /// [dims]; approximate with PQ. Throws Error(argument) where there is no such row.
  virtual std::vector<float> row(int64_t row) const = 0;
  /// All that read_vector_index needs; ends in a checksum.
  virtual std::vector<std::byte> to_bytes() const = 0;
};

/// An empty index. FAISS is loaded now, from libkvs_faiss.so beside libkvs.so: linking it would
/// slow the start of every tool. `factory`: "Flat" compares with every vector; "HNSW32" walks a
/// graph of 32 links per vector; "IVF1024,Flat" compares with the vectors of the nearest of 1,024
/// lists; "IVF1024,PQ96" does so with codes of 96 bytes. Throws Error(argument) for dims outside
/// [1, 65536] or not divisible by the bytes of a code and for another factory, Error(io) where the
/// module is missing.
KVS_API std::unique_ptr<VectorIndex> make_vector_index(int dims, std::string_view factory = "Flat");

/// Throws Error(format), naming `source`, where the bytes are damaged, and as make_vector_index.
KVS_API std::unique_ptr<VectorIndex> read_vector_index(std::span<const std::byte> bytes,
                                                       std::string_view source);

}  // namespace kvs
