#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvs {

/// Finds stop texts in text that comes in pieces, and holds back what may be the start of one.
class StopMatcher {
 public:
  /// Empty stop texts are left out.
  explicit StopMatcher(std::vector<std::string> stops);

  /// What is final after this piece: text in front of the first stop, or text that cannot be part
  /// of one any more. Gives nothing once found().
  std::string push(std::string_view piece);

  /// What was held back, at the end of the text.
  std::string finish();

  bool found() const { return found_; }

 private:
  size_t held_back() const;  // bytes at the end of pending_ that start a stop

  std::vector<std::string> stops_;
  std::string pending_;
  bool found_ = false;
};

}  // namespace kvs
