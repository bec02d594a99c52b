#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace kvs {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");
}

std::string StopMatcher::push(std::string_view piece) {
  if (found_) return {};
  pending_ += piece;

  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, pending_.find(stop));
  found_ = first != std::string::npos;

  const size_t final = found_ ? first : pending_.size() - held_back();
  std::string text = pending_.substr(0, final);
  pending_.erase(0, final);
  return text;
}

std::string StopMatcher::finish() {
  return found_ ? std::string() : std::exchange(pending_, std::string());
}

size_t StopMatcher::held_back() const {
  size_t longest = 0;
  for (const std::string& stop : stops_)
    for (size_t size = std::min(stop.size() - 1, pending_.size()); size > longest; --size)
      if (pending_.ends_with(std::string_view(stop).substr(0, size))) longest = size;
  return longest;
}

}  // namespace kvs
