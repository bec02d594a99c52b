#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace kvs::test {

using Tokens = std::vector<int32_t>;

inline int64_t pick(std::mt19937_64& random, int64_t below) {
  return below <= 0 ? 0 : static_cast<int64_t>(random() % static_cast<uint64_t>(below));
}

/// `count` tokens below `vocab`; a small vocab gives text full of repetition.
inline Tokens random_tokens(std::mt19937_64& random, int64_t count, int64_t vocab) {
  Tokens tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(pick(random, vocab));
  return tokens;
}

/// Changes about `share` of the tokens in place: each is replaced, dropped or preceded by another.
inline Tokens edited(std::mt19937_64& random, const Tokens& tokens, double share, int64_t vocab) {
  std::uniform_real_distribution<double> chance(0, 1);
  Tokens out;
  for (const int32_t token : tokens) {
    const double drawn = chance(random);
    if (drawn < share * 2 / 3) out.push_back(static_cast<int32_t>(pick(random, vocab)));
    if (drawn < share / 3 || drawn >= share * 2 / 3) out.push_back(token);
  }
  return out;
}

/// The text cut into blocks, in another order.
inline Tokens shuffled_blocks(std::mt19937_64& random, const Tokens& tokens, int64_t block) {
  std::vector<Tokens> blocks;
  for (size_t at = 0; at < tokens.size(); at += block)
    blocks.emplace_back(tokens.begin() + at,
                        tokens.begin() + std::min<size_t>(at + block, tokens.size()));
  std::shuffle(blocks.begin(), blocks.end(), random);
  Tokens out;
  for (const Tokens& part : blocks) out.insert(out.end(), part.begin(), part.end());
  return out;
}

/// 0, 1, 2, ...
inline Tokens counting(int32_t count, int32_t first = 0) {
  Tokens tokens(count);
  for (int32_t at = 0; at < count; ++at) tokens[at] = first + at;
  return tokens;
}

inline Tokens joined(std::initializer_list<Tokens> parts) {
  Tokens out;
  for (const Tokens& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

}  // namespace kvs::test
