#include "engine/redis_connection.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};
constexpr std::string_view kScheme = "redis://";

std::optional<int> find_number(std::string_view text, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most)
    return std::nullopt;
  return value;
}

// Cuts off what stands behind the last `mark`, with it.
std::optional<std::string_view> cut_behind(std::string_view& text, char mark) {
  const size_t at = text.rfind(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view behind = text.substr(at + 1);
  text = text.substr(0, at);
  return behind;
}

std::optional<RedisAddress> find_address(std::string_view url) {
  RedisAddress address;
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  if (const size_t at = url.rfind('@'); at != std::string_view::npos) {
    std::string_view user = url.substr(0, at);
    const size_t colon = user.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    address.user = user.substr(0, colon);
    address.password = user.substr(colon + 1);
    url.remove_prefix(at + 1);
  }
  std::optional<int> number;
  if (const auto database = cut_behind(url, '/'); database && !database->empty()) {
    if (!(number = find_number(*database, 1 << 20))) return std::nullopt;
    address.database = *number;
  }
  if (!url.ends_with(']'))
    if (const auto port = cut_behind(url, ':')) {
      if (!(number = find_number(*port, 65535)) || *number == 0) return std::nullopt;
      address.port = *number;
    }
  if (url.starts_with('[') && url.ends_with(']')) url = url.substr(1, url.size() - 2);
  address.host = url;
  if (url.empty() || url.find_first_of("/[]") != std::string_view::npos) return std::nullopt;
  return address;
}

}  // namespace

std::string RedisAddress::name() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}:{}/{}", kScheme, is_ipv6 ? "[" + host + "]" : host, port, database);
}

RedisAddress parse_redis_url(const std::string& url) {
  const auto address = find_address(url);
  // The URL may hold a password.
  if (!address)
    fail(ErrorKind::argument,
         "the store's address makes no sense, expected "
         "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]");
  return *address;
}

RedisConnection::RedisConnection(const RedisAddress& address)
    : name_(address.name()),
      context_(redisConnectWithTimeout(address.host.c_str(), address.port, kPatience)) {
  if (!context_) fail(ErrorKind::io, "{}: no memory for a connection", name_);
  if (context_->err == 0 && redisSetTimeout(context_.get(), kPatience) != REDIS_OK) fail_io();
  if (context_->err != 0) fail_io();
  if (!address.user.empty())
    command({"AUTH", address.user, address.password});
  else if (!address.password.empty())
    command({"AUTH", address.password});
  if (address.database != 0) command({"SELECT", std::to_string(address.database)});
}

RedisReply RedisConnection::command(const std::vector<std::string_view>& words) {
  std::vector<const char*> data;
  std::vector<size_t> sizes;
  for (const std::string_view word : words) {
    data.push_back(word.data());
    sizes.push_back(word.size());
  }
  void* answer =
      redisCommandArgv(context_.get(), static_cast<int>(words.size()), data.data(), sizes.data());
  RedisReply reply(static_cast<redisReply*>(answer));
  if (!reply) fail_io();
  if (reply->type == REDIS_REPLY_ERROR)
    fail(ErrorKind::io, "{}: {}", name_, std::string_view(reply->str, reply->len));
  return reply;
}

// What hiredis calls EAGAIN is a second without an answer.
void RedisConnection::fail_io() const {
  const std::string reason = context_->errstr;
  const bool waited = reason == std::generic_category().message(EAGAIN);
  fail(ErrorKind::io, "{}: {}", name_, waited ? "no answer for a second" : reason);
}

}  // namespace kvs
