#include "index/faiss_flat.h"

namespace kvs {

std::vector<float> gather(const faiss::IndexFlat& from, std::span<const int64_t> rows) {
  std::vector<float> vectors;
  vectors.reserve(rows.size() * from.d);
  for (const int64_t row : rows) {
    const float* first = from.get_xb() + row * from.d;
    vectors.insert(vectors.end(), first, first + from.d);
  }
  return vectors;
}

void write_vectors(const faiss::IndexFlat& from, ByteWriter& out) {
  out.add_array(std::span(from.get_xb(), static_cast<size_t>(from.ntotal) * from.d));
}

void read_vectors(ByteReader& in, faiss::IndexFlat& to) {
  const auto vectors = in.get_array<float>();
  if (vectors.size() % to.d != 0) in.damaged("a vector is cut off");
  to.add(static_cast<int64_t>(vectors.size()) / to.d, vectors.data());
}

void FaissFlat::keep(std::span<const int64_t> rows, int threads) {
  const std::vector<float> vectors = gather(index_, rows);
  index_.reset();
  add(vectors, threads);
}

void FaissFlat::write_body(ByteWriter& out) const {
  write_vectors(index_, out);
}

void FaissFlat::read_body(ByteReader& in) {
  translated([&] { read_vectors(in, index_); });
}

}  // namespace kvs
