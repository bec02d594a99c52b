#include "engine/resident_vectors.h"

#include <algorithm>
#include <utility>

namespace kvs {
namespace {

constexpr int64_t kGraphFrom = 2'000;  // comparing with all takes a millisecond by then
constexpr int64_t kRowsPerChange = 16;
constexpr int64_t kSmall = 64;  // not worth a renewal
constexpr const char* kGraph = "HNSW32";
constexpr int64_t kLinkBytes = 2L * 32 * 4;  // of a row on the lowest level of the graph

}  // namespace

void ResidentVectors::append(Index& index, Donor donor, std::span<const float> embedding) {
  index.rows->add(embedding);
  index.donors.push_back(donor);
}

void ResidentVectors::add(Donor donor, std::span<const float> embedding) {
  if (!current_.rows) current_.rows = make_vector_index(static_cast<int>(embedding.size()));
  append(current_, donor, embedding);
  if (next_.rows) append(next_, donor, embedding);
  alive_.insert(donor);
  renew();
}

void ResidentVectors::remove(Donor donor) {
  if (alive_.erase(donor) > 0) renew();
}

void ResidentVectors::begin_renewal() {
  const int64_t rows = current_.rows->size();
  const bool graph = current_.rows->factory() == kGraph;
  const bool outgrown = !graph && size() >= kGraphFrom;
  if (!outgrown && (rows <= kSmall || 2 * size() >= rows)) return;
  next_.rows = make_vector_index(current_.rows->dims(), size() >= kGraphFrom ? kGraph : "Flat");
  copied_ = 0;
  to_copy_ = rows;
}

void ResidentVectors::renew() {
  if (!next_.rows) begin_renewal();
  if (!next_.rows) return;
  const int64_t end = std::min(to_copy_, copied_ + kRowsPerChange);
  for (; copied_ < end; ++copied_) {
    const Donor donor = current_.donors[copied_];
    if (alive_.contains(donor)) append(next_, donor, current_.rows->row(copied_));
  }
  if (copied_ == to_copy_) current_ = std::exchange(next_, Index{});
}

std::vector<ResidentVectors::Match> ResidentVectors::search(std::span<const float> query,
                                                            size_t limit) const {
  std::vector<Match> found;
  if (alive_.empty() || limit == 0) return found;
  const int64_t gone = current_.rows->size() - size();  // at most about half, but perhaps the best
  const int64_t wanted = static_cast<int64_t>(limit) + std::min<int64_t>(gone, 4 * kSmall);
  for (const VectorMatch& match : current_.rows->search(query, wanted)) {
    const Donor donor = current_.donors[match.row];
    if (!alive_.contains(donor)) continue;
    found.push_back({donor, match.similarity});
    if (found.size() == limit) break;
  }
  return found;
}

int64_t ResidentVectors::bytes() const {
  int64_t bytes = 0;
  for (const Index* index : {&current_, &next_}) {
    if (!index->rows) continue;
    const int64_t links = index->rows->factory() == kGraph ? kLinkBytes : 0;
    bytes += index->rows->size() * (4 * index->rows->dims() + links + 4);
  }
  return bytes;
}

}  // namespace kvs
