#include "base/kgram_hashes.h"

namespace kvs {
namespace {

// Odd multipliers: the polynomial of the k-gram and the final mix, which spreads the low bits that
// tables use.
constexpr uint64_t kBase = 0x9e3779b97f4a7c15u;
constexpr uint64_t kMix = 0xd6e8feb86659fd93u;

uint64_t mixed(uint64_t hash) {
  hash ^= hash >> 32;
  hash *= kMix;
  return hash ^ (hash >> 29);
}

uint64_t letter(int32_t token) {
  return static_cast<uint32_t>(token) + uint64_t{1};
}

}  // namespace

std::vector<uint64_t> kgram_hashes(std::span<const int32_t> tokens, int k) {
  if (tokens.size() < static_cast<size_t>(k)) return {};
  uint64_t leaving = 1;  // weight of the token that drops out
  for (int step = 0; step < k; ++step) leaving *= kBase;

  uint64_t rolling = 0;
  for (const int32_t token : tokens.first(k)) rolling = rolling * kBase + letter(token);
  std::vector<uint64_t> hashes(tokens.size() - k + 1);
  hashes[0] = mixed(rolling);
  for (size_t at = 1; at < hashes.size(); ++at) {
    rolling = rolling * kBase + letter(tokens[at + k - 1]) - letter(tokens[at - 1]) * leaving;
    hashes[at] = mixed(rolling);
  }
  return hashes;
}

}  // namespace kvs
