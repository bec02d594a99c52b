#include "model/word_piece.h"

#include <algorithm>

namespace kvs {
namespace {

bool is_lead(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}

}  // namespace

WordPiece::WordPiece(const Vocabulary& vocabulary, WordPieceOptions options)
    : vocabulary_(vocabulary), options_(std::move(options)) {
  for (int32_t id = 0; id < vocabulary.size(); ++id)
    longest_token_ = std::max(longest_token_, vocabulary.text(id).size());
}

void WordPiece::encode(std::string_view word, WordScratch& scratch,
                       std::vector<int32_t>& out) const {
  const auto characters = static_cast<size_t>(std::count_if(word.begin(), word.end(), is_lead));
  if (characters > options_.max_characters) return out.push_back(options_.unknown);
  const size_t first = out.size();
  for (size_t at = 0; at < word.size();) {
    int32_t id = options_.unknown;
    const size_t length = longest(word.substr(at), at == 0, scratch.text, id);
    if (length == 0) {
      out.resize(first);
      return out.push_back(options_.unknown);
    }
    out.push_back(id);
    at += length;
  }
}

size_t WordPiece::longest(std::string_view rest, bool is_start, std::string& buffer,
                          int32_t& id) const {
  buffer.assign(is_start ? "" : options_.prefix);
  const size_t prefix = buffer.size();
  buffer.append(rest.substr(0, longest_token_));
  for (size_t length = buffer.size() - prefix; length > 0; --length) {
    if (length < rest.size() && !is_lead(rest[length])) continue;
    id = vocabulary_.find(std::string_view(buffer).substr(0, prefix + length));
    if (id != Vocabulary::kAbsent) return length;
  }
  return 0;
}

}  // namespace kvs
