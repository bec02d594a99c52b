#include "index/faiss_module.h"

#include "index/faiss_flat.h"
#include "index/faiss_hnsw.h"
#include "index/faiss_ivf.h"

kvs::StoredVectorIndex* kvs_new_faiss_index(int dims, const kvs::VectorFactory* factory) {
  using Kind = kvs::VectorFactory::Kind;
  return kvs::translated([&]() -> kvs::StoredVectorIndex* {
    if (factory->kind == Kind::flat) return new kvs::FaissFlat(dims);
    if (factory->kind == Kind::hnsw) return new kvs::FaissHnsw(dims, *factory);
    return new kvs::FaissIvf(dims, *factory);
  });
}
