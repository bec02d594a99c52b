#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/api_client.h"
#include "kvs/chat_message.h"
#include "tools/serve_options.h"

namespace kvs {

struct ChatAnswer {
  std::string text;
  std::string finish_reason;  ///< stop, length or cancelled
  int64_t tokens = 0;         ///< of the answer
  Json kvshare;               ///< as in the answers of kvs-serve; null where nobody says
};

/// Who answers in a chat: a model in this process, or a server.
class ChatPartner {
 public:
  virtual ~ChatPartner() = default;

  virtual std::string description() = 0;

  /// Answers the last message; `on_text` is called with each piece of text as it comes. Ctrl-C ends
  /// the answer ("cancelled"), also before its first word. Throws Error where there is none.
  virtual ChatAnswer answer(const std::vector<ChatMessage>& messages,
                            const std::function<void(std::string_view)>& on_text) = 0;

  /// A step of what can be done while nobody asks; returns whether there is more.
  virtual bool work() { return false; }
  /// Waits until nothing is left that others may find.
  virtual void finish() {}
};

/// The model that the options name. Throws what Server does.
std::unique_ptr<ChatPartner> open_local_partner(const ServeOptions& options);

/// A server's first model. Of `options` only the length and the sampling of answers count. Throws
/// Error(io) where the server cannot be reached or refuses.
std::unique_ptr<ChatPartner> open_remote_partner(const ApiClientOptions& server,
                                                 const std::string& key,
                                                 const ServeOptions& options);

}  // namespace kvs
