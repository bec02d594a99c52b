#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "kvs/export.h"
#include "model/merge_table.h"
#include "model/vocabulary.h"
#include "model/word_model.h"

namespace kvs {

struct BpeOptions {
  int32_t unknown = Vocabulary::kAbsent;  ///< the token for characters that have none
  bool fuse_unknown = false;              ///< one such token for a whole run
  bool byte_fallback = false;             ///< first try the tokens <0x00> … <0xFF>
  bool ignore_merges = false;             ///< a word that is a token is that token
};

/// Byte-pair encoding of characters: of words in the byte alphabet (byte-level BPE) as well as of
/// text with byte fallback (SentencePiece). Characters without token, unknown token and fallback
/// are left out, as the reference does. `vocabulary` must outlive it.
class KVS_API BpeModel : public WordModel {
 public:
  BpeModel(const Vocabulary& vocabulary, MergeTable merges, const BpeOptions& options);

  void encode(std::string_view word, WordScratch& scratch,
              std::vector<int32_t>& out) const override;

 private:
  enum class Known : uint8_t { nothing, merges_to_itself, falls_apart };

  void encode_part(std::string_view part, WordScratch& scratch, std::vector<int32_t>& out) const;
  void put_characters(std::string_view part, std::vector<int32_t>& tokens) const;
  bool put_bytes(std::string_view character, std::vector<int32_t>& tokens) const;
  int32_t find_character(std::string_view character, char32_t code_point) const;
  bool never_merges_across_spaces() const;

  const Vocabulary& vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<int32_t, 0x180> low_characters_;  // the tokens of the first code points
  std::array<int32_t, 256> bytes_;             // the tokens <0x00> … <0xFF>
  bool splits_at_spaces_ = false;
  // Whether a token's text, encoded as a word, is that token. Threads that race write the same.
  std::unique_ptr<std::atomic<Known>[]> known_;
};

}  // namespace kvs
