#include "kvs/error.h"
#include "kvs/response.h"
#include "tools/chat_partner.h"
#include "tools/interrupt.h"

namespace kvs {
namespace {

class LocalPartner final : public ChatPartner {
 public:
  explicit LocalPartner(const ServeOptions& options) : options_(options), server_(options) {}

  std::string description() override {
    return fmt::format("{} on {}", server_.model().name(), server_.backend().description());
  }

  ChatAnswer answer(const std::vector<ChatMessage>& messages,
                    const std::function<void(std::string_view)>& on_text) override {
    const Response response =
        server_.engine().run({.id = fmt::format("turn-{}", messages.size()),
                              .tokens = server_.model().prompts().encode_chat(messages),
                              .conversation = "chat",
                              .max_tokens = options_.max_tokens,
                              .sampling = options_.sampling,
                              .reuse = server_.reuse(),
                              .exactify = exactify_from_name(options_.exactify) != Exactify::off,
                              .wanted = [] { return interrupted() == 0; },
                              .on_text =
                                  [&](std::string_view text) {
                                    on_text(text);
                                    return true;
                                  }});
    if (response.finish_reason == "error") fail(ErrorKind::device, "{}", response.error);
    return {.text = response.text,
            .finish_reason = response.finish_reason,
            .tokens = std::ssize(response.tokens),
            .kvshare = response_to_json(response).get("kvshare")};
  }

  // Makes exact what was said, a step at a time.
  bool work() override {
    const bool copying = server_.engine().donors().work_on_tiers();
    return server_.engine().exactify_step() || copying;
  }
  void finish() override { server_.finish_tiers(); }

 private:
  const ServeOptions& options_;
  Server server_;
};

}  // namespace

std::unique_ptr<ChatPartner> open_local_partner(const ServeOptions& options) {
  return std::make_unique<LocalPartner>(options);
}

}  // namespace kvs
