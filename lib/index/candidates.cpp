#include "index/candidates.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace kvs {
namespace {

// Asked of each index, so that enough is left after the donors nobody may use.
constexpr size_t kLeastAsked = 32;
constexpr size_t kAskedPerPlace = 4;

bool visible(const Scope& scope, const IndexData& data, const DonorQuery& query) {
  const std::string& tenant = data.tenants[scope.tenant];
  if (scope.visibility == Visibility::everyone || tenant == query.tenant) return true;
  return scope.visibility == Visibility::group &&
         std::find(query.group.begin(), query.group.end(), tenant) != query.group.end();
}

class Finder {
 public:
  Finder(const IndexData& data, const DonorQuery& query)
      : data_(data), query_(query), asked_(std::max(kLeastAsked, kAskedPerPlace * query.limit)) {}

  void by_fingerprints(const Scope& scope) {
    for (const FingerprintMatch& match : scope.fingerprints.search(query_.tokens, asked_))
      candidate(match.donor).matched = match.tokens;
  }

  void by_embedding(const Scope& scope, const VectorIndex& vectors,
                    std::span<const float> embedding) {
    for (const VectorMatch& match : nearest(scope, vectors, embedding)) {
      const uint32_t donor = scope.vector_rows[match.row];
      if (match.similarity < query_.min_similarity) continue;
      candidate(donor).similarity = match.similarity;
      candidate(donor).by_embedding = true;
    }
    for (auto& [donor, found] : candidates_)
      if (!found.by_embedding) found.similarity += similarity(scope, vectors, donor, embedding);
  }

  std::vector<Candidate> take() const {
    std::vector<Candidate> all;
    for (const auto& [donor, found] : candidates_) all.push_back(found);
    return all;
  }

 private:
  // Rows of donors that were removed are still found; then more are asked for.
  std::vector<VectorMatch> nearest(const Scope& scope, const VectorIndex& vectors,
                                   std::span<const float> embedding) const {
    for (auto asked = static_cast<int64_t>(asked_);; asked *= 4) {
      auto found = vectors.search(embedding, asked, query_.threads);
      const bool all = static_cast<int64_t>(found.size()) < asked || asked >= vectors.size();
      std::erase_if(found, [&](const VectorMatch& match) {
        return scope.vector_rows[match.row] == kNoDonor;
      });
      if (found.size() > asked_) found.resize(asked_);
      if (all || found.size() == asked_) return found;
    }
  }

  Candidate& candidate(uint32_t donor) {
    Candidate& found = candidates_[donor];
    found.donor = donor;
    return found;
  }

  // 0 where the donor belongs to another scope or has no embedding.
  double similarity(const Scope& scope, const VectorIndex& vectors, uint32_t donor,
                    std::span<const float> embedding) const {
    const auto& rows = scope.vector_rows;
    const auto row = static_cast<size_t>(data_.donors[donor].row);  // none: beyond all
    if (row >= rows.size() || rows[row] != donor) return 0;
    const std::vector<float> vector = vectors.row(static_cast<int64_t>(row));
    double sum = 0;
    for (size_t at = 0; at < vector.size(); ++at) sum += double{vector[at]} * embedding[at];
    return sum;
  }

  const IndexData& data_;
  const DonorQuery& query_;
  size_t asked_;
  std::map<uint32_t, Candidate> candidates_;
};

bool better(const Candidate& a, const Candidate& b) {
  if (a.matched != b.matched) return a.matched > b.matched;
  if (a.similarity != b.similarity) return a.similarity > b.similarity;
  return a.donor < b.donor;
}

// Those that share tokens first; a quarter of the places stays for those that do not.
std::vector<Candidate> choose(std::vector<Candidate> found, size_t limit) {
  std::sort(found.begin(), found.end(), better);
  const auto related = std::find_if(found.begin(), found.end(),
                                    [](const Candidate& one) { return one.matched == 0; });
  const auto sharing = static_cast<size_t>(related - found.begin());
  const size_t similar = std::min(found.size() - sharing, limit / 4);
  const size_t first = std::min(sharing, limit - similar);
  std::vector<Candidate> chosen(found.begin(), found.begin() + static_cast<ptrdiff_t>(first));
  for (auto next = related; next != found.end() && chosen.size() < limit; ++next)
    chosen.push_back(*next);
  return chosen;
}

}  // namespace

bool normalise(std::vector<float>& vector) {
  double squares = 0;
  for (const float value : vector) squares += double{value} * value;
  if (!std::isfinite(squares) || squares <= 0) return false;
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(squares));
  return true;
}

std::vector<Candidate> find_candidates(const IndexData& data, const ScopeVectors* vectors,
                                       const DonorQuery& query,
                                       const std::function<bool(uint32_t)>& usable) {
  std::vector<float> embedding(query.embedding.begin(), query.embedding.end());
  if (!normalise(embedding)) vectors = nullptr;
  Finder finder(data, query);
  for (size_t at = 0; at < data.scopes.size(); ++at) {
    if (!visible(data.scopes[at], data, query)) continue;
    finder.by_fingerprints(data.scopes[at]);
    if (vectors && (*vectors)[at]) finder.by_embedding(data.scopes[at], *(*vectors)[at], embedding);
  }
  std::vector<Candidate> found = finder.take();
  std::erase_if(found, [&](const Candidate& one) { return !usable(one.donor); });
  return choose(std::move(found), query.limit);
}

}  // namespace kvs
