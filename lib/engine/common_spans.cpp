#include "engine/common_spans.h"

#include <algorithm>
#include <functional>

namespace kvs {
namespace {

// Where the pieces end that hold this token.
std::vector<int64_t> ends_of_pieces(std::span<const std::vector<SourceSpan>> covers,
                                    int64_t token) {
  std::vector<int64_t> ends;
  for (const std::vector<SourceSpan>& cover : covers)
    for (const SourceSpan& piece : cover)
      if (piece.target_first <= token && token < piece.target_first + piece.count)
        ends.push_back(piece.target_first + piece.count);
  return ends;
}

// Common ranges begin where a piece does, or where the range in front ends.
std::vector<int64_t> starts_of_pieces(std::span<const std::vector<SourceSpan>> covers) {
  std::vector<int64_t> starts;
  for (const std::vector<SourceSpan>& cover : covers)
    for (const SourceSpan& piece : cover) starts.push_back(piece.target_first);
  std::sort(starts.begin(), starts.end());
  return starts;
}

}  // namespace

std::vector<TokenRange> common_spans(std::span<const std::vector<SourceSpan>> covers,
                                     size_t holders, int64_t least) {
  std::vector<TokenRange> ranges;
  for (const int64_t start : starts_of_pieces(covers)) {
    const int64_t first = ranges.empty() ? start : std::max(start, ranges.back().end);
    std::vector<int64_t> ends = ends_of_pieces(covers, first);
    if (ends.size() < holders) continue;
    std::sort(ends.begin(), ends.end(), std::greater());
    const int64_t end = ends[holders - 1];
    if (end - first >= least) ranges.push_back({first, end});
  }
  return ranges;
}

}  // namespace kvs
