#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kvs/export.h"

namespace kvs {

inline constexpr std::string_view kAutomaticFactory = "auto";

/// How a vector index searches, as FAISS's index_factory spells it. Ordered by the number of
/// vectors they are for.
struct KVS_API VectorFactory {
  enum class Kind {
    flat,      ///< "Flat": compares with every vector
    hnsw,      ///< "HNSW32": a graph with 32 links per vector
    ivf_flat,  ///< "IVF1024,Flat": compares with those of the nearest lists
    ivf_pq,    ///< "IVF1024,PQ96": the same, with vectors of 96 bytes
  };
  Kind kind = Kind::flat;
  int links = 0;
  int lists = 0;
  int code_bytes = 0;

  std::string name() const;
  /// Vectors that training takes at least; 0 where none is needed.
  int64_t training() const;
};

/// Throws Error(argument) for what is none of the above, and where `dims`, unless 0, is no multiple
/// of the bytes of a code.
KVS_API VectorFactory parse_vector_factory(std::string_view text, int dims = 0);

/// What `rows` vectors get. "auto": flat up to 10,000, HNSW below 1,000,000, then IVF with PQ.
/// Another setting is taken as it is, but flat below the vectors it needs for training.
KVS_API VectorFactory choose_vector_factory(std::string_view setting, int64_t rows, int dims);

}  // namespace kvs
