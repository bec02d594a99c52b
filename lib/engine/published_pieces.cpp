#include "engine/published_pieces.h"

#include <algorithm>

#include "kvs/donor_store.h"

namespace kvs {
namespace {

constexpr int64_t kPiece = PublicationRules::kMinTokens;
constexpr uint64_t kBase = 0x9e3779b97f4a7c15;

// A polynomial of the tokens, so that the next window's follows from the last one's.
uint64_t with(uint64_t hash, int32_t token) {
  return hash * kBase + static_cast<uint32_t>(token);
}

uint64_t weight_of_first() {
  uint64_t weight = 1;
  for (int64_t token = 0; token < kPiece; ++token) weight *= kBase;
  return weight;
}

}  // namespace

PublishedPieces::PublishedPieces(std::span<const int32_t> prompt) : prompt_(prompt) {
  const uint64_t weight = weight_of_first();
  uint64_t hash = 0;
  for (int64_t end = 1; end <= std::ssize(prompt); ++end) {
    hash = with(hash, prompt[end - 1]);
    if (end > kPiece) hash -= weight * static_cast<uint32_t>(prompt[end - 1 - kPiece]);
    if (end >= kPiece) windows_.emplace(hash, end - kPiece);
  }
}

bool PublishedPieces::has(std::span<const int32_t> piece) const {
  uint64_t hash = 0;
  for (const int32_t token : piece) hash = with(hash, token);
  const auto window = windows_.find(hash);
  return window != windows_.end() &&
         std::ranges::equal(piece, prompt_.subspan(window->second, kPiece));
}

std::vector<TokenRange> PublishedPieces::find(std::span<const int32_t> text, int64_t first) const {
  std::vector<TokenRange> ranges;
  for (int64_t begin = first; begin + kPiece <= std::ssize(text); begin += kPiece) {
    if (!has(text.subspan(begin, kPiece))) continue;
    if (!ranges.empty() && ranges.back().end == begin)
      ranges.back().end += kPiece;
    else
      ranges.push_back({begin == first ? 0 : begin, begin + kPiece});
  }
  return ranges;
}

}  // namespace kvs
