#include "model/bpe_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "model/metaspace.h"

namespace kvs {
namespace {

// Where the word that begins at `begin` ends: before the next space that follows something else.
size_t word_end(std::string_view text, size_t begin) {
  size_t at = begin;
  while (text.substr(at, kMetaspace.size()) == kMetaspace) at += kMetaspace.size();
  return std::min(text.find(kMetaspace, at), text.size());
}

}  // namespace

BpeModel::BpeModel(const Vocabulary& vocabulary, MergeTable merges, const BpeOptions& options)
    : vocabulary_(vocabulary),
      merges_(std::move(merges)),
      options_(options),
      known_(std::make_unique<std::atomic<Known>[]>(vocabulary.size())) {
  for (size_t code_point = 0; code_point < low_characters_.size(); ++code_point) {
    std::string text;
    append_utf8(text, static_cast<char32_t>(code_point));
    low_characters_[code_point] = vocabulary.find(text);
  }
  for (int byte = 0; byte < 256; ++byte)
    bytes_[byte] = options.byte_fallback ? vocabulary.find(fmt::format("<0x{:02X}>", byte))
                                         : Vocabulary::kAbsent;
  splits_at_spaces_ = never_merges_across_spaces();
}

// Then the words of a text can be encoded one by one, with the same result.
bool BpeModel::never_merges_across_spaces() const {
  if (vocabulary_.find(kMetaspace) == Vocabulary::kAbsent) return false;
  for (int32_t id = 0; id < vocabulary_.size(); ++id) {
    const std::string_view text = vocabulary_.text(id);
    if (word_end(text, 0) != text.size()) return false;
  }
  return true;
}

void BpeModel::encode(std::string_view word, WordScratch& scratch,
                      std::vector<int32_t>& out) const {
  if (options_.ignore_merges) {
    const int32_t id = vocabulary_.find(word);
    if (id != Vocabulary::kAbsent) return out.push_back(id);
  }
  if (!splits_at_spaces_) return encode_part(word, scratch, out);
  for (size_t at = 0; at < word.size();) {
    const size_t end = word_end(word, at);
    encode_part(word.substr(at, end - at), scratch, out);
    at = end;
  }
}

void BpeModel::encode_part(std::string_view part, WordScratch& scratch,
                           std::vector<int32_t>& out) const {
  const int32_t whole = vocabulary_.find(part);
  Known known = Known::nothing;
  if (whole != Vocabulary::kAbsent) {
    known = known_[whole].load(std::memory_order_relaxed);
    if (known == Known::merges_to_itself) return out.push_back(whole);
  }
  std::vector<int32_t>& tokens = scratch.tokens;
  tokens.clear();
  put_characters(part, tokens);
  merge_all(merges_, tokens, scratch.merges);
  if (whole != Vocabulary::kAbsent && known == Known::nothing)
    known_[whole].store(
        tokens.size() == 1 && tokens[0] == whole ? Known::merges_to_itself : Known::falls_apart,
        std::memory_order_relaxed);
  out.insert(out.end(), tokens.begin(), tokens.end());
}

void BpeModel::put_characters(std::string_view part, std::vector<int32_t>& tokens) const {
  bool after_unknown = false;
  for (size_t at = 0; at < part.size();) {
    const CodePoint next = code_point_at(part, at);
    const std::string_view character = part.substr(at, next.bytes);
    at += next.bytes;
    const int32_t id = find_character(character, next.value);
    if (id != Vocabulary::kAbsent) {
      tokens.push_back(id);
      after_unknown = false;
    } else if (!put_bytes(character, tokens) && options_.unknown != Vocabulary::kAbsent) {
      if (!after_unknown || !options_.fuse_unknown) tokens.push_back(options_.unknown);
      after_unknown = true;
    }
  }
}

bool BpeModel::put_bytes(std::string_view character, std::vector<int32_t>& tokens) const {
  for (const char byte : character)
    if (bytes_[static_cast<unsigned char>(byte)] == Vocabulary::kAbsent) return false;
  for (const char byte : character) tokens.push_back(bytes_[static_cast<unsigned char>(byte)]);
  return true;
}

int32_t BpeModel::find_character(std::string_view character, char32_t code_point) const {
  if (code_point < low_characters_.size()) return low_characters_[code_point];
  return vocabulary_.find(character);
}

}  // namespace kvs
