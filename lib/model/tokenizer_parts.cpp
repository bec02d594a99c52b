#include "model/tokenizer_parts.h"

#include <algorithm>
#include <array>

namespace kvs {
namespace {

// What ends a turn or an answer in one family or another, where the file names only one of them.
constexpr std::array<std::string_view, 11> kEnds = {"<|im_end|>",
                                                    "<|endoftext|>",
                                                    "<|eot_id|>",
                                                    "<|eom_id|>",
                                                    "<|end_of_text|>",
                                                    "<|end|>",
                                                    "<|eot|>",
                                                    "<end_of_turn>",
                                                    "<EOT>",
                                                    "<|END_OF_TURN_TOKEN|>",
                                                    "<\uFF5Cend\u2581of\u2581sentence\uFF5C>"};

}  // namespace

void hash_field(Hasher& hasher, std::string_view text) {
  hasher.add_value(static_cast<uint64_t>(text.size())).add(text);
}

void hash_vocabulary(TokenizerParts& parts) {
  parts.hasher.add_value(parts.vocabulary.size());
  for (int32_t id = 0; id < parts.vocabulary.size(); ++id)
    hash_field(parts.hasher, parts.vocabulary.text(id));
}

void add_token(TokenizerParts& parts, AddedToken token) {
  if (token.content.empty()) return;
  hash_field(parts.hasher, token.content);
  for (const bool flag :
       {token.single_word, token.lstrip, token.rstrip, token.normalized, token.special})
    parts.hasher.add_value(static_cast<uint8_t>(flag));
  parts.hasher.add_value(token.id);
  if (token.normalized) {
    RegexScratch scratch;
    token.decoded = parts.normalizer.apply(token.content, scratch);
    parts.normalized_matcher.add(token, token.decoded);
    parts.has_normalized_specials |= token.special;
  } else {
    token.decoded = token.content;
    parts.raw_matcher.add(token, token.content);
  }
  parts.added[token.id] = std::move(token);
}

std::optional<std::string_view> find_text(const TokenizerParts& parts, int32_t id) {
  const auto added = parts.added.find(id);
  if (added != parts.added.end()) return added->second.content;
  if (parts.vocabulary.has(id)) return parts.vocabulary.text(id);
  return std::nullopt;
}

std::optional<std::string_view> find_decoder_text(const TokenizerParts& parts, int32_t id) {
  const auto added = parts.added.find(id);
  if (added != parts.added.end()) return added->second.decoded;
  return find_text(parts, id);
}

std::optional<int32_t> find_id(const TokenizerParts& parts, std::string_view text) {
  for (const auto& [id, token] : parts.added)
    if (token.content == text) return id;
  const int32_t id = parts.vocabulary.find_any(text);
  return id == Vocabulary::kAbsent ? std::nullopt : std::optional(id);
}

void finish_parts(TokenizerParts& parts) {
  if (parts.eos) parts.ends.push_back(*parts.eos);
  for (const auto& [id, token] : parts.added) {
    const bool ends = std::find(kEnds.begin(), kEnds.end(), token.content) != kEnds.end();
    if (token.special && ends) parts.ends.push_back(id);
  }
  std::sort(parts.ends.begin(), parts.ends.end());
  parts.ends.erase(std::unique(parts.ends.begin(), parts.ends.end()), parts.ends.end());
  for (const auto* tokens : {&parts.post_processor.prefix, &parts.post_processor.suffix}) {
    parts.hasher.add_value(static_cast<uint64_t>(tokens->size()));
    for (const int32_t token : *tokens) parts.hasher.add_value(token);
  }
  parts.hash = parts.hasher.digest();
}

}  // namespace kvs
