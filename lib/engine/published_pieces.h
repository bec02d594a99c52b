#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/common_spans.h"

namespace kvs {

/// Finds which pieces of published text a prompt has as a whole: nothing else of such text may make
/// a difference to the prompt, or whoever knows a part of it could find out the rest token by
/// token. A piece has PublicationRules::kMinTokens tokens.
class PublishedPieces {
 public:
  /// `prompt` must outlive it.
  explicit PublishedPieces(std::span<const int32_t> prompt);

  /// The ranges of `text` that consist of such pieces, neighbours joined, ascending. Pieces are
  /// counted from token `first` on; the tokens in front of it go with the first piece.
  std::vector<TokenRange> find(std::span<const int32_t> text, int64_t first) const;

 private:
  bool has(std::span<const int32_t> piece) const;

  std::span<const int32_t> prompt_;
  std::unordered_map<uint64_t, int64_t> windows_;  // where each one begins, by its hash
};

}  // namespace kvs
