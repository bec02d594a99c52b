#include "kvs/trace.h"

#include <algorithm>

#include "eval/block_store.h"
#include "eval/rounded.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr int64_t kMaxBlocks = int64_t{1} << 26;
constexpr double kAttentionEqualsRest = 32768;  // position at which attention is half of the work

// A store and what it spared.
struct Measured {
  const char* policy;
  int64_t bytes;
  int64_t capacity;
  BlockStore store;
  int64_t hit_tokens = 0;
  double hit_cost = 0;
};

class TraceReplay {
 public:
  explicit TraceReplay(const TraceOptions& options) : options_(options) {
    const int64_t block = options.block_tokens * options.token_bytes;
    for (const auto& [policy, weighted] : {std::pair{"lru", false}, std::pair{"cost", true}})
      for (const int64_t bytes : options.memory)
        stores_.push_back({policy, bytes, bytes / block, {bytes / block, weighted}});
  }

  void run(TraceReader& reader) {
    while (options_.limit == 0 || requests_ < options_.limit) {
      const std::optional<TraceRequest> request = reader.next();
      if (!request) break;
      try {
        add(*request);
      } catch (const Error& error) {
        throw Error(error.kind(), reader.where() + ": " + error.what());
      }
      if (options_.on_request) options_.on_request();
    }
  }

  int64_t requests() const { return requests_; }

  Json figures() const {
    Json json, stores{Json::Array{}};
    json.set("requests", requests_);
    json.set("tokens", tokens_);
    json.set("blocks", blocks_);
    json.set("distinct_blocks", unlimited_.store.size());
    json.set("block_tokens", options_.block_tokens);
    json.set("token_bytes", options_.token_bytes);
    for (const Measured& measured : stores_) stores.push(figures_of(measured));
    json.set("stores", std::move(stores));
    json.set("unlimited", figures_of(unlimited_));
    return json;
  }

 private:
  void add(const TraceRequest& request) {
    ++requests_;
    tokens_ += request.tokens;
    blocks_ += static_cast<int64_t>(request.hashes.size());
    const std::vector<TraceBlock> prompt = blocks_of(request);
    for (const TraceBlock& block : prompt) cost_ += block.cost;
    replay(request, prompt, unlimited_);
    for (Measured& measured : stores_) replay(request, prompt, measured);
    if (unlimited_.store.size() >= kMaxBlocks)
      fail(ErrorKind::format, "more than {} distinct blocks", kMaxBlocks);
  }

  std::vector<TraceBlock> blocks_of(const TraceRequest& request) const {
    std::vector<TraceBlock> prompt;
    prompt.reserve(request.hashes.size());
    int64_t first = 0;
    for (const int64_t hash : request.hashes) {
      const auto count =
          static_cast<double>(std::min(options_.block_tokens, request.tokens - first));
      const double middle = static_cast<double>(first) + count / 2;
      prompt.push_back({hash, count * (1 + middle / kAttentionEqualsRest)});
      first += options_.block_tokens;
    }
    return prompt;
  }

  // The last token is always computed: its logits are needed.
  void replay(const TraceRequest& request, const std::vector<TraceBlock>& prompt,
              Measured& measured) const {
    const int64_t found = measured.store.replay(prompt);
    measured.hit_tokens += std::min(found * options_.block_tokens, request.tokens - 1);
    for (int64_t at = 0; at < found; ++at) measured.hit_cost += prompt[at].cost;
  }

  Json figures_of(const Measured& measured) const {
    Json json;
    json.set("policy", measured.policy);
    json.set("bytes", measured.bytes > 0
                          ? measured.bytes
                          : measured.store.size() * options_.block_tokens * options_.token_bytes);
    json.set("blocks", measured.bytes > 0 ? measured.capacity : measured.store.size());
    json.set("hit_rate",
             rounded(static_cast<double>(measured.hit_tokens) / static_cast<double>(tokens_)));
    json.set("work_spared", rounded(measured.hit_cost / cost_));
    return json;
  }

  const TraceOptions& options_;
  std::vector<Measured> stores_;
  Measured unlimited_{"unlimited", 0, kMaxBlocks, {kMaxBlocks, false}};
  int64_t requests_ = 0, tokens_ = 0, blocks_ = 0;
  double cost_ = 0;
};

void check(const TraceOptions& options) {
  const auto range = [](const char* what, int64_t value, int64_t most) {
    if (value < 1 || value > most)
      fail(ErrorKind::argument, "{}: expected 1 to {}, found {}", what, most, value);
  };
  range("block tokens", options.block_tokens, 1 << 20);
  range("token bytes", options.token_bytes, 1 << 30);
  const int64_t block = options.block_tokens * options.token_bytes;
  for (const int64_t bytes : options.memory)
    if (bytes < block)
      fail(ErrorKind::argument, "memory of {} bytes: a block of {} tokens takes {}", bytes,
           options.block_tokens, block);
}

}  // namespace

Json run_trace(std::istream& in, const std::string& source, const TraceOptions& options) {
  check(options);
  TraceReader reader(in, source, options.block_tokens);
  TraceReplay replay(options);
  replay.run(reader);
  if (replay.requests() == 0) fail(ErrorKind::format, "{}: no requests", source);
  return replay.figures();
}

}  // namespace kvs
