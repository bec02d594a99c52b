#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "kvs/error.h"
#include "kvs/text_scores.h"

namespace kvs {
namespace {

constexpr int kOrders = BleuCounts::kOrders;
using Ngram = std::array<int, kOrders>;  // of word numbers from 1; 0 behind its end

std::vector<int> numbers(const std::vector<std::string>& words, std::map<std::string, int>& known) {
  std::vector<int> out;
  out.reserve(words.size());
  for (const std::string& word : words)
    out.push_back(known.emplace(word, static_cast<int>(known.size()) + 1).first->second);
  return out;
}

std::map<Ngram, int64_t> count_ngrams(const std::vector<int>& words, int order) {
  std::map<Ngram, int64_t> counts;
  for (size_t first = 0; first + order <= words.size(); ++first) {
    Ngram ngram{};
    std::copy_n(words.begin() + static_cast<int64_t>(first), order, ngram.begin());
    ++counts[ngram];
  }
  return counts;
}

double brevity_penalty(const BleuCounts& counts) {
  if (counts.hypothesis_words >= counts.reference_words) return 1;
  return std::exp(1 - static_cast<double>(counts.reference_words) /
                          static_cast<double>(counts.hypothesis_words));
}

// `effective`: orders longer than every hypothesis do not count, instead of making the score 0.
double score(const BleuCounts& counts, bool effective) {
  if (counts.matches[0] == 0) return 0;
  double logs = 0;
  double smoothing = 1;
  int orders = 0;
  for (; orders < kOrders && counts.total[orders] > 0; ++orders) {
    auto matches = static_cast<double>(counts.matches[orders]);
    if (matches == 0) matches = 1 / (smoothing *= 2);
    logs += std::log(100 * matches / static_cast<double>(counts.total[orders]));
  }
  if (orders < kOrders && !effective) return 0;
  return brevity_penalty(counts) * std::exp(logs / orders);
}

}  // namespace

BleuCounts bleu_counts(std::string_view hypothesis, std::string_view reference) {
  BleuCounts counts;
  std::map<std::string, int> known;
  const std::vector<int> left = numbers(tokenize_13a(hypothesis), known);
  const std::vector<int> right = numbers(tokenize_13a(reference), known);
  counts.hypothesis_words = static_cast<int64_t>(left.size());
  counts.reference_words = static_cast<int64_t>(right.size());
  for (int order = 1; order <= kOrders; ++order) {
    const auto wanted = count_ngrams(right, order);
    for (const auto& [ngram, count] : count_ngrams(left, order)) {
      counts.total[order - 1] += count;
      if (const auto at = wanted.find(ngram); at != wanted.end())
        counts.matches[order - 1] += std::min(count, at->second);
    }
  }
  return counts;
}

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (int order = 0; order < kOrders; ++order) {
    matches[order] += other.matches[order];
    total[order] += other.total[order];
  }
  hypothesis_words += other.hypothesis_words;
  reference_words += other.reference_words;
  return *this;
}

double BleuCounts::score() const {
  return kvs::score(*this, false);
}

double corpus_bleu(std::span<const std::string> hypotheses,
                   std::span<const std::string> references) {
  if (hypotheses.size() != references.size())
    fail(ErrorKind::argument, "corpus_bleu: {} hypotheses, expected as many as references: {}",
         hypotheses.size(), references.size());
  BleuCounts counts;
  for (size_t pair = 0; pair < hypotheses.size(); ++pair)
    counts += bleu_counts(hypotheses[pair], references[pair]);
  return counts.score();
}

double sentence_bleu(std::string_view hypothesis, std::string_view reference) {
  return score(bleu_counts(hypothesis, reference), true);
}

}  // namespace kvs
