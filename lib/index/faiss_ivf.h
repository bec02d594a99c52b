#pragma once

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>

#include <memory>

#include "index/faiss_search.h"

namespace kvs {

/// Lists of vectors around centroids, whole or product-quantised (Jegou, Douze and Schmid, 2011).
class FaissIvf : public FaissSearch {
 public:
  FaissIvf(int dims, const VectorFactory& factory);

  std::string factory() const override { return factory_.name(); }
  void train(std::span<const float> vectors, int threads) override;
  void add(std::span<const float> vectors, int threads) override;
  void keep(std::span<const int64_t> rows, int threads) override;
  void write_body(ByteWriter& out) const override;
  void read_body(ByteReader& in) override;

 private:
  faiss::Index& index() override { return *index_; }
  /// The centroids of the codes; null where vectors are whole.
  std::vector<float>* codebook() const;
  void read_lists(ByteReader& in);
  void map_rows();
  faiss::IndexHNSWFlat& graph();

  VectorFactory factory_;
  faiss::IndexFlatIP centroids_;
  std::unique_ptr<faiss::IndexHNSWFlat> graph_;  // of the centroids, for many vectors at once
  std::unique_ptr<faiss::IndexIVF> index_;
};

}  // namespace kvs
