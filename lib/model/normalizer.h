#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/json.h"
#include "model/regex.h"

namespace kvs {

/// One rewriting of a text before it is split.
class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  virtual void apply(std::string& text, RegexScratch& scratch) const = 0;
};

/// The normalizer of tokenizer.json: NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend,
/// Replace, BertNormalizer and Sequence. Immutable.
class Normalizer {
 public:
  Normalizer() = default;
  /// `json` may be null. Throws Error(format), opening with `source`, naming a type not known here.
  Normalizer(const Json& json, std::string_view source);

  bool is_empty() const { return steps_.empty(); }
  std::string apply(std::string_view text, RegexScratch& scratch) const;

 private:
  std::vector<std::unique_ptr<NormalizerStep>> steps_;
};

}  // namespace kvs
