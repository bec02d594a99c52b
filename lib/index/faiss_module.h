#pragma once

#include <cstddef>

#include "kvs/vector_index.h"

// What libkvs_faiss.so exports. It is loaded on first use and never linked: FAISS, BLAS and the
// OpenMP runtime would add milliseconds to the start of every tool, also of those that search
// nothing. kvs::Error crosses the border.
extern "C" {
/// An index that compares with every vector; the caller owns it. dims: at least 1.
KVS_API kvs::VectorIndex* kvs_new_faiss_flat(int dims);
}
