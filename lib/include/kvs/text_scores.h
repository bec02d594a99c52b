#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// Tokens of a line as mteval-v13a splits it: punctuation and symbols of ASCII apart, full stops
/// and commas apart unless between digits, a dash apart behind a digit; "<skipped>" and the
/// entities &quot; &amp; &lt; &gt; are undone first, and line breaks count as spaces. Words of
/// other scripts stay whole. Invalid UTF-8 is taken byte by byte. Source: sacrebleu's tokenizer
/// "13a" (Post, "A Call for Clarity in Reporting BLEU Scores", 2018).
KVS_API std::vector<std::string> tokenize_13a(std::string_view line);

/// What BLEU is made of: n-grams found and found in the reference, by their order. Those of several
/// pairs add up to those of a corpus.
struct KVS_API BleuCounts {
  static constexpr int kOrders = 4;
  std::array<int64_t, kOrders> matches{};
  std::array<int64_t, kOrders> total{};
  int64_t hypothesis_words = 0;
  int64_t reference_words = 0;

  BleuCounts& operator+=(const BleuCounts& other);
  double score() const;  ///< as corpus_bleu
};
KVS_API BleuCounts bleu_counts(std::string_view hypothesis, std::string_view reference);

/// BLEU of a corpus with one reference each, 0 to 100: 4-grams, case-sensitive, tokenize_13a,
/// exponential smoothing of orders without a match, the brevity penalty. Equal to sacrebleu's
/// corpus_bleu with its defaults; 0 where there are no hypotheses or no 1-gram matches. Throws
/// Error(argument) where the two have different lengths.
/// Source: Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002.
KVS_API double corpus_bleu(std::span<const std::string> hypotheses,
                           std::span<const std::string> references);

/// BLEU of one pair, 0 to 100, as sacrebleu's sentence_bleu: only the orders of n-grams that the
/// hypothesis is long enough for.
KVS_API double sentence_bleu(std::string_view hypothesis, std::string_view reference);

/// F-measure of the longest common subsequence of words, 0 to 1. Words are the runs of [a-z0-9]
/// of the text in lower case; 0 where either text has none. Equal to rouge-score's rougeL without
/// stemmer. O(words x words) time, O(words) memory.
/// Source: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004.
KVS_API double rouge_l(std::string_view hypothesis, std::string_view reference);

}  // namespace kvs
