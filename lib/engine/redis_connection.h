#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kvs {

/// What redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] says.
struct RedisAddress {
  std::string host;  ///< an IPv6 address without its brackets
  int port = 6379;
  int database = 0;
  std::string user{}, password{};

  std::string name() const;  ///< the URL without user and password
};

/// Throws Error(argument).
RedisAddress parse_redis_url(const std::string& url);

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using RedisReply = std::unique_ptr<redisReply, FreeReply>;

/// A connection to a Redis server. Every call waits a second at most for the server to move.
class RedisConnection {
 public:
  /// Throws Error(io).
  explicit RedisConnection(const RedisAddress& address);

  /// Throws Error(io) where the server refuses the command or is gone; is_open() tells which.
  RedisReply command(const std::vector<std::string_view>& words);
  bool is_open() const { return context_->err == 0; }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
  };
  [[noreturn]] void fail_io() const;

  std::string name_;
  std::unique_ptr<redisContext, Free> context_;
};

}  // namespace kvs
