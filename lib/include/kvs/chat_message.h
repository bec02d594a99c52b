#pragma once

#include <string>

namespace kvs {

/// One turn of a conversation, UTF-8.
struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant" or what else the model's template knows
  std::string content;

  bool operator==(const ChatMessage&) const = default;
};

}  // namespace kvs
