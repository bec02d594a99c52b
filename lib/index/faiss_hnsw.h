#pragma once

#include <faiss/IndexHNSW.h>

#include "index/faiss_search.h"

namespace kvs {

/// A graph of near neighbours (Malkov and Yashunin, 2018, arXiv:1603.09320).
class FaissHnsw : public FaissSearch {
 public:
  FaissHnsw(int dims, const VectorFactory& factory);

  std::string factory() const override { return factory_.name(); }
  void keep(std::span<const int64_t> rows, int threads) override;
  void write_body(ByteWriter& out) const override;
  void read_body(ByteReader& in) override;

 private:
  faiss::Index& index() override { return index_; }
  faiss::IndexFlat& storage() const { return dynamic_cast<faiss::IndexFlat&>(*index_.storage); }
  void read_graph(ByteReader& in);
  void check_links(const ByteReader& in, size_t row) const;

  VectorFactory factory_;
  faiss::IndexHNSWFlat index_;
};

}  // namespace kvs
