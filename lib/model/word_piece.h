#pragma once

#include <string>

#include "model/vocabulary.h"
#include "model/word_model.h"

namespace kvs {

struct WordPieceOptions {
  std::string prefix = "##";  ///< of tokens that continue a word
  int32_t unknown = Vocabulary::kAbsent;
  size_t max_characters = 100;  ///< a longer word is unknown
};

/// Longest match first; a word that cannot be covered is one unknown token. `vocabulary` must
/// outlive it. Source: Wu et al. 2016; google-research/bert, WordpieceTokenizer.
class WordPiece : public WordModel {
 public:
  WordPiece(const Vocabulary& vocabulary, WordPieceOptions options);

  void encode(std::string_view word, WordScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  /// The longest token at the beginning of `rest` and its bytes in `rest`; 0 bytes where none is.
  size_t longest(std::string_view rest, bool is_start, std::string& buffer, int32_t& id) const;

  const Vocabulary& vocabulary_;
  WordPieceOptions options_;
  size_t longest_token_ = 0;  // bytes
};

}  // namespace kvs
