#include "index/faiss_module.h"

#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissException.h>
#include <omp.h>

#include <algorithm>
#include <new>

#include "index/vector_file.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// FAISS takes its threads from OpenMP's setting for the calling thread.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(std::max(threads, 1));
  }
  ~ThreadLimit() { omp_set_num_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

template <typename Body>
auto translated(Body body) {
  try {
    return body();
  } catch (const faiss::FaissException& error) {
    std::string reason = error.msg;
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    fail(ErrorKind::argument, "faiss: {}", reason);
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::argument, "faiss: out of memory");
  }
}

class FaissFlat : public VectorIndex {
 public:
  explicit FaissFlat(int dims) : index_(dims) {}

  int dims() const override { return index_.d; }
  int64_t size() const override { return index_.ntotal; }
  std::string factory() const override { return "Flat"; }

  void add(std::span<const float> vectors) override {
    if (vectors.size() % static_cast<size_t>(index_.d) != 0)
      fail(ErrorKind::argument, "vector index: {} numbers do not make vectors of {}",
           vectors.size(), index_.d);
    translated(
        [&] { index_.add(static_cast<int64_t>(vectors.size()) / index_.d, vectors.data()); });
  }

  std::vector<VectorMatch> search(std::span<const float> query, int64_t limit,
                                  int threads) const override {
    if (query.size() != static_cast<size_t>(index_.d))
      fail(ErrorKind::argument, "vector index: the query has {} dimensions, expected {}",
           query.size(), index_.d);
    limit = std::min(limit, size());
    if (limit <= 0) return {};
    std::vector<float> similarities(limit);
    std::vector<faiss::Index::idx_t> rows(limit);
    const ThreadLimit only(threads);
    translated([&] { index_.search(1, query.data(), limit, similarities.data(), rows.data()); });

    std::vector<VectorMatch> matches;
    for (int64_t at = 0; at < limit; ++at)
      if (rows[at] >= 0) matches.push_back({rows[at], similarities[at]});
    std::stable_sort(matches.begin(), matches.end(), [](const auto& a, const auto& b) {
      return a.similarity != b.similarity ? a.similarity > b.similarity : a.row < b.row;
    });
    return matches;
  }

  std::vector<float> row(int64_t row) const override {
    if (row < 0 || row >= size())
      fail(ErrorKind::argument, "vector index: row {} of {} is asked for", row, size());
    const float* first = index_.get_xb() + row * index_.d;
    return {first, first + index_.d};
  }

  std::vector<std::byte> to_bytes() const override {
    return write_vectors(
        {factory(), index_.d, {index_.get_xb(), index_.get_xb() + size() * index_.d}});
  }

 private:
  faiss::IndexFlatIP index_;
};

}  // namespace
}  // namespace kvs

kvs::VectorIndex* kvs_new_faiss_flat(int dims) {
  return kvs::translated([&] { return new kvs::FaissFlat(dims); });
}
