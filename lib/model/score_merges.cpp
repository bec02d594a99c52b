#include "model/score_merges.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/utf8.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// By id; equal scores have equal ranks.
std::vector<uint32_t> ranks_of(std::span<const float> scores) {
  for (size_t id = 0; id < scores.size(); ++id)
    if (std::isnan(scores[id]))
      fail(ErrorKind::format, "the score of token {} is not a number", id);
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t left, int32_t right) { return scores[left] > scores[right]; });
  std::vector<uint32_t> ranks(scores.size());
  uint32_t rank = 0;
  for (size_t place = 0; place < order.size(); ++place) {
    if (place > 0 && scores[order[place]] < scores[order[place - 1]]) ++rank;
    ranks[order[place]] = rank;
  }
  return ranks;
}

}  // namespace

MergeTable score_merges(const Vocabulary& vocabulary, std::span<const float> scores,
                        const std::vector<bool>& is_result) {
  const std::vector<uint32_t> ranks = ranks_of(scores);
  MergeTable merges(4 * scores.size());
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view text = vocabulary.text(id);
    if (!is_result[id] || text.empty() || vocabulary.find(text) != id) continue;
    for (size_t cut = code_point_at(text, 0).bytes; cut < text.size();
         cut += code_point_at(text, cut).bytes) {
      const int32_t left = vocabulary.find(text.substr(0, cut));
      if (left == Vocabulary::kAbsent) continue;
      const int32_t right = vocabulary.find(text.substr(cut));
      if (right != Vocabulary::kAbsent) merges.add(left, right, {ranks[id], id});
    }
  }
  return merges;
}

}  // namespace kvs
