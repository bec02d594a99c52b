#include "serve/tenants.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/sha256.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxKeys = 1 << 20;
constexpr size_t kMaxLineBytes = 1024;
constexpr size_t kMaxNameBytes = 64;
constexpr int kMaxRate = 1'000'000;  // requests a minute

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_digest(std::string_view text) {
  return text.size() == 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

// 0 where it is none.
int find_rate(std::string_view text) {
  int rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && rate > 0 && rate <= kMaxRate ? rate : 0;
}

std::pair<std::string, Caller> read_line(const std::string& line, const std::string& where) {
  std::istringstream words(line);
  std::string digest, word;
  Caller caller;
  words >> digest >> caller.tenant;
  if (!is_digest(digest))
    fail(ErrorKind::format, "{}: expected the SHA-256 of a key in 64 hexadecimal digits", where);
  if (!is_name(caller.tenant))
    fail(ErrorKind::format, "{}: expected a tenant's name behind the key's hash", where);
  while (words >> word) {
    if (word == "metrics")
      caller.may_read_metrics = true;
    else if (word.starts_with("group=") && is_name(word.substr(6)))
      caller.share_group = word.substr(6);
    else if (const int rate = word.starts_with("rate=") ? find_rate(word.substr(5)) : 0; rate > 0)
      caller.requests_per_minute = rate;
    else
      fail(ErrorKind::format, "{}: expected 'group=NAME', 'metrics' or 'rate=N', found '{}'", where,
           word.substr(0, kMaxNameBytes));
  }
  return {lower_case(digest), std::move(caller)};
}

auto read_keys(const std::filesystem::path& path) {
  std::unordered_map<std::string, Caller> callers;
  std::ifstream file(path);
  if (!file) fail(ErrorKind::io, "{}: cannot open: {}", path.string(), std::strerror(errno));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string where = fmt::format("{}:{}", path.string(), number);
    if (line.find_first_not_of(" \t\r") == std::string::npos || line[0] == '#') continue;
    if (line.size() > kMaxLineBytes || callers.size() == kMaxKeys)
      fail(ErrorKind::format, "{}: more than {} bytes in a line, or {} keys", where, kMaxLineBytes,
           kMaxKeys);
    auto [digest, caller] = read_line(line, where);
    if (!callers.emplace(std::move(digest), std::move(caller)).second)
      fail(ErrorKind::format, "{}: this key is listed before", where);
  }
  if (file.bad()) fail(ErrorKind::io, "{}: cannot be read", path.string());
  return callers;
}

}  // namespace

// A tenant alone has its own name, which is also how archives name it. ':' is in no name.
std::string Caller::partition(std::string_view cache_salt) const {
  if (!cache_salt.empty()) return fmt::format("salt:{}:{}", tenant, cache_salt);
  return share_group.empty() ? tenant : "group:" + share_group;
}

Tenants::Tenants(std::filesystem::path keys) : path_(std::move(keys)) {
  if (has_keys()) reload();
}

std::optional<Caller> Tenants::find(std::string_view key) const {
  if (!has_keys()) return Caller{};
  std::shared_ptr<const Callers> callers;
  {
    const std::lock_guard lock(mutex_);
    callers = callers_;
  }
  const auto found = callers->find(sha256_hex(key));
  return found == callers->end() ? std::nullopt : std::optional(found->second);
}

void Tenants::reload() {
  if (!has_keys()) return;
  auto callers = std::make_shared<const Callers>(read_keys(path_));
  const std::lock_guard lock(mutex_);
  callers_ = std::move(callers);
}

}  // namespace kvs
