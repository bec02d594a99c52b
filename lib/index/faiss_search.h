#pragma once

#include <faiss/Index.h>
#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <new>
#include <string>

#include "index/stored_vector_index.h"
#include "kvs/error.h"

namespace kvs {

/// Runs the body; FAISS's exceptions become Error(argument).
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

/// FAISS takes its threads from OpenMP's setting for the calling thread.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

/// What all structures have in common: they differ in what they store.
class FaissSearch : public StoredVectorIndex {
 public:
  int dims() const override { return index().d; }
  int64_t size() const override { return index().ntotal; }
  void train(std::span<const float> vectors, int threads) override;
  void add(std::span<const float> vectors, int threads) override;
  std::vector<VectorMatch> search(std::span<const float> query, int64_t limit,
                                  int threads) const override;
  std::vector<float> row(int64_t row) const override;

 protected:
  virtual faiss::Index& index() = 0;
  const faiss::Index& index() const { return const_cast<FaissSearch*>(this)->index(); }

  int64_t rows_of(std::span<const float> vectors) const;
};

}  // namespace kvs
