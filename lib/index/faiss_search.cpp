#include "index/faiss_search.h"

#include <omp.h>

namespace kvs {
ThreadLimit::ThreadLimit(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(std::max(threads, 1));
}

ThreadLimit::~ThreadLimit() {
  omp_set_num_threads(before_);
}

int64_t FaissSearch::rows_of(std::span<const float> vectors) const {
  if (vectors.size() % static_cast<size_t>(dims()) != 0)
    fail(ErrorKind::argument, "vector index: {} numbers do not make vectors of {}", vectors.size(),
         dims());
  return static_cast<int64_t>(vectors.size()) / dims();
}

void FaissSearch::train(std::span<const float> vectors, int threads) {
  const int64_t rows = rows_of(vectors);
  const int64_t least = parse_vector_factory(factory(), dims()).training();
  if (index().is_trained) return;
  if (rows < least)
    fail(ErrorKind::argument, "vector index: {} learns from {} vectors, expected at least {}",
         factory(), rows, least);
  const ThreadLimit only(threads);
  translated([&] { index().train(rows, vectors.data()); });
}

void FaissSearch::add(std::span<const float> vectors, int threads) {
  const int64_t rows = rows_of(vectors);
  if (rows == 0) return;
  if (!index().is_trained)
    fail(ErrorKind::argument, "vector index: {} takes vectors once it is trained", factory());
  const ThreadLimit only(threads);
  translated([&] { index().add(rows, vectors.data()); });
}

std::vector<VectorMatch> FaissSearch::search(std::span<const float> query, int64_t limit,
                                             int threads) const {
  if (query.size() != static_cast<size_t>(dims()))
    fail(ErrorKind::argument, "vector index: the query has {} dimensions, expected {}",
         query.size(), dims());
  limit = std::min(limit, size());
  if (limit <= 0) return {};
  std::vector<float> similarities(limit);
  std::vector<faiss::Index::idx_t> rows(limit);
  const ThreadLimit only(threads);
  translated([&] { index().search(1, query.data(), limit, similarities.data(), rows.data()); });

  std::vector<VectorMatch> matches;
  for (int64_t at = 0; at < limit; ++at)
    if (rows[at] >= 0) matches.push_back({rows[at], similarities[at]});
  std::stable_sort(matches.begin(), matches.end(), [](const auto& a, const auto& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.row < b.row;
  });
  return matches;
}

std::vector<float> FaissSearch::row(int64_t row) const {
  if (row < 0 || row >= size())
    fail(ErrorKind::argument, "vector index: row {} of {} is asked for", row, size());
  std::vector<float> vector(dims());
  translated([&] { index().reconstruct(row, vector.data()); });
  return vector;
}

}  // namespace kvs
