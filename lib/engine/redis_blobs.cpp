#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <mutex>
#include <utility>

#include "engine/blob_store.h"
#include "engine/redis_connection.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{10'000};
constexpr const char* kNewsKept = "100000";  // about so many prompts are told to newcomers
constexpr size_t kNewsAtOnce = 1000;
constexpr int64_t kMissing = -2;  // PTTL of no key; that of one without an end is -1

/// When to try again behind a failure. Thread-safe.
class BackOff {
 public:
  void require_patience(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (Clock::now() < next_) fail(ErrorKind::io, "{}: not connected", name);
  }
  void failed() {
    const std::lock_guard lock(mutex_);
    next_ = Clock::now() + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  }
  void worked() {
    const std::lock_guard lock(mutex_);
    pause_ = kFirstPause;
  }

 private:
  std::mutex mutex_;
  Clock::time_point next_{};
  std::chrono::milliseconds pause_ = kFirstPause;
};

std::string_view text_of(const redisReply& reply) {
  const bool is_text = reply.type == REDIS_REPLY_STRING || reply.type == REDIS_REPLY_STATUS;
  return is_text ? std::string_view(reply.str, reply.len) : std::string_view();
}

// The least id of a stream's entry behind `id`: "5-0" to "5-1".
std::string id_behind(std::string_view id) {
  const size_t dash = std::min(id.find('-'), id.size());
  uint64_t number = 0;
  if (dash < id.size()) std::from_chars(id.data() + dash + 1, id.data() + id.size(), number);
  return std::string(id.substr(0, dash)) + "-" + std::to_string(number + 1);
}

// Of an entry [id, [field, "GROUP ID"]].
std::optional<BlobName> find_prompt(const redisReply& entry) {
  if (entry.type != REDIS_REPLY_ARRAY || entry.elements != 2) return std::nullopt;
  const redisReply& fields = *entry.element[1];
  if (fields.type != REDIS_REPLY_ARRAY || fields.elements != 2) return std::nullopt;
  const std::string_view text = text_of(*fields.element[1]);
  const size_t space = std::min(text.find(' '), text.size());
  const auto group = parse_hash(text.substr(0, space));
  const auto id = parse_hash(text.substr(std::min(space + 1, text.size())));
  if (!group || !id) return std::nullopt;
  return BlobName{.kind = BlobName::Kind::prompt, .group = *group, .id = *id};
}

// Blobs are values; a stream says which prompts came, for all who share the server.
class RedisBlobs final : public BlobStore {
 public:
  RedisBlobs(RedisAddress address, const Hash128& model, int64_t life_ms)
      : address_(std::move(address)),
        name_(address_.name()),
        prefix_("kvshare:" + to_hex(model) + ":"),
        life_ms_(life_ms) {}

  const std::string& name() const override { return name_; }
  bool exclusive() const override { return false; }

  int64_t put(const BlobName& name, std::span<const std::byte> bytes) override {
    const std::string key = key_of(name);
    const bool is_prompt = name.kind == BlobName::Kind::prompt;
    if (!is_prompt && prolong(key)) return 0;
    set(key, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    // Again, too: whoever put it before may have been killed here.
    if (is_prompt) announce(name);
    return std::ssize(bytes);
  }

  std::optional<Bytes> get(const BlobName& name) override {
    const std::string key = key_of(name);
    const RedisReply reply = ask({"GET", key});
    if (reply->type == REDIS_REPLY_NIL) return std::nullopt;
    const std::string_view text = text_of(*reply);
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return Bytes(first, first + text.size());
  }

  void remove(const BlobName& name) override {
    const std::string key = key_of(name);
    ask({"DEL", key});
  }

  std::vector<Blob> news(const Complain& /*complain*/) override {
    std::vector<Blob> all;
    const std::string key = prefix_ + "news", count = std::to_string(kNewsAtOnce);
    std::string next = next_news_;
    for (bool more = true; more;) {
      const RedisReply reply = ask({"XRANGE", key, next, "+", "COUNT", count});
      if (reply->type != REDIS_REPLY_ARRAY) break;
      more = reply->elements == kNewsAtOnce;
      for (size_t index = 0; index < reply->elements; ++index) {
        const redisReply& entry = *reply->element[index];
        if (const auto prompt = find_prompt(entry)) all.push_back({*prompt});
        if (entry.type == REDIS_REPLY_ARRAY && entry.elements > 0)
          next = id_behind(text_of(*entry.element[0]));
      }
    }
    next_news_ = std::move(next);
    return all;
  }

 private:
  using Connection = std::unique_ptr<RedisConnection>;

  std::string key_of(const BlobName& name) const {
    const bool rows = name.kind == BlobName::Kind::rows;
    return prefix_ + to_hex(name.group) + (rows ? ":rows:" : ":prompt:") + to_hex(name.id);
  }

  void set(const std::string& key, std::string_view value) {
    const std::string life = std::to_string(life_ms_);
    if (life_ms_ > 0)
      ask({"SET", key, value, "PX", life});
    else
      ask({"SET", key, value});
  }

  // Servers may keep donors for different times: the longest counts. False where nothing is there.
  bool prolong(const std::string& key) {
    const int64_t left_ms = ask({"PTTL", key})->integer;
    const std::string life = std::to_string(life_ms_);
    if (left_ms >= 0 && life_ms_ == 0) ask({"PERSIST", key});
    if (left_ms >= 0 && left_ms < life_ms_) ask({"PEXPIRE", key, life});
    return left_ms != kMissing;
  }

  void announce(const BlobName& prompt) {
    const std::string key = prefix_ + "news";
    const std::string text = to_hex(prompt.group) + " " + to_hex(prompt.id);
    ask({"XADD", key, "MAXLEN", "~", kNewsKept, "*", "prompt", text});
  }

  Connection take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    Connection connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }

  // A connection that was idle may have ended meanwhile: then once more over a new one.
  RedisReply ask(const std::vector<std::string_view>& words) {
    back_off_.require_patience(name_);
    if (Connection connection = take()) {
      RedisReply reply = try_over(*connection, words);
      if (reply) return give_back(std::move(connection), std::move(reply));
      const std::lock_guard lock(mutex_);
      idle_.clear();  // the others have ended too
    }
    try {
      auto connection = std::make_unique<RedisConnection>(address_);
      RedisReply reply = connection->command(words);
      return give_back(std::move(connection), std::move(reply));
    } catch (const Error&) {
      back_off_.failed();
      throw;
    }
  }

  // Nothing where the connection has ended; what the server refuses is an error.
  static RedisReply try_over(RedisConnection& connection,
                             const std::vector<std::string_view>& words) {
    try {
      return connection.command(words);
    } catch (const Error&) {
      if (connection.is_open()) throw;
      return nullptr;
    }
  }

  RedisReply give_back(Connection connection, RedisReply reply) {
    back_off_.worked();
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
    return reply;
  }

  RedisAddress address_;
  std::string name_;
  std::string prefix_;
  int64_t life_ms_;  // of a blob; 0: no end
  BackOff back_off_;
  std::mutex mutex_;
  std::vector<Connection> idle_;
  std::string next_news_ = "-";  // of the one thread that asks for news
};

}  // namespace

std::unique_ptr<BlobStore> open_redis_blobs(const std::string& url, const Hash128& model,
                                            double time_to_live_s) {
  const double most = 1e15;  // ms, which the server can add to its clock
  const auto life_ms = static_cast<int64_t>(std::ceil(std::min(1000 * time_to_live_s, most)));
  return std::make_unique<RedisBlobs>(parse_redis_url(url), model, life_ms);
}

}  // namespace kvs
