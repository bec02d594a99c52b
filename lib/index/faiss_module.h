#pragma once

#include "index/stored_vector_index.h"

// What libkvs_faiss.so exports. It is loaded on first use and never linked: FAISS, BLAS and the
// OpenMP runtime would add milliseconds to the start of every tool, also of those that search
// nothing. kvs::Error crosses the border.
extern "C" {
/// An empty index; the caller owns it. dims: at least 1, and a multiple of the code's bytes.
KVS_API kvs::StoredVectorIndex* kvs_new_faiss_index(int dims, const kvs::VectorFactory* factory);
}
