#pragma once

#include <faiss/IndexFlat.h>

#include "index/faiss_search.h"

namespace kvs {

/// The vectors of `rows` of a flat index. [rows, dims]
std::vector<float> gather(const faiss::IndexFlat& from, std::span<const int64_t> rows);

/// Compares with every vector.
class FaissFlat : public FaissSearch {
 public:
  explicit FaissFlat(int dims) : index_(dims) {}

  std::string factory() const override { return "Flat"; }
  void keep(std::span<const int64_t> rows, int threads) override;
  void write_body(ByteWriter& out) const override;
  void read_body(ByteReader& in) override;

 private:
  faiss::Index& index() override { return index_; }

  faiss::IndexFlatIP index_;
};

void write_vectors(const faiss::IndexFlat& from, ByteWriter& out);
void read_vectors(ByteReader& in, faiss::IndexFlat& to);

}  // namespace kvs
