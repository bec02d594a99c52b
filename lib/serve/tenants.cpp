#include "serve/tenants.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "base/sha256.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxKeys = 1 << 20;
constexpr size_t kMaxLineBytes = 1024;
constexpr size_t kMaxNameBytes = 64;
constexpr int kMaxRate = 1'000'000;     // requests a minute
constexpr int kMaxMemory = 1 << 24;     // MiB
constexpr int64_t kMebibyte = 1 << 20;  // bytes

bool is_tenant_name(std::string_view text) {
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

// The number behind `name`, from 1 to `most`; 0 where the word is none of these.
int find_number(std::string_view word, std::string_view name, int most) {
  if (!word.starts_with(name)) return 0;
  word.remove_prefix(name.size());
  int number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool whole = error == std::errc() && end == word.data() + word.size();
  return whole && number > 0 && number <= most ? number : 0;
}

// What a line of the file says.
struct Line {
  std::string digest;
  Caller caller;
  int memory = 0;  // MiB; 0: any
};

void read_word(const std::string& word, const std::string& where, Line& line) {
  if (word == "metrics")
    line.caller.may_read_metrics = true;
  else if (word == "operator")
    line.caller.may_read_metrics = line.caller.is_operator = true;
  else if (word.starts_with("group=") && is_tenant_name(word.substr(6)))
    line.caller.share_group = word.substr(6);
  else if (const int rate = find_number(word, "rate=", kMaxRate); rate > 0)
    line.caller.requests_per_minute = rate;
  else if (const int memory = find_number(word, "memory=", kMaxMemory); memory > 0)
    line.memory = memory;
  else
    fail(ErrorKind::format,
         "{}: expected 'group=NAME', 'memory=MiB', 'metrics', 'operator' or 'rate=N', found '{}'",
         where, word.substr(0, kMaxNameBytes));
}

Line read_line(const std::string& text, const std::string& where) {
  std::istringstream words(text);
  std::string word;
  Line line;
  words >> line.digest >> line.caller.tenant;
  if (!is_digest(line.digest))
    fail(ErrorKind::format, "{}: expected the SHA-256 of a key in 64 hexadecimal digits", where);
  if (!is_tenant_name(line.caller.tenant))
    fail(ErrorKind::format, "{}: expected a tenant's name behind the key's hash", where);
  std::set<std::string> names;
  while (words >> word) {
    const std::string name = word.substr(0, word.find('='));
    if (!names.insert(name).second)
      fail(ErrorKind::format, "{}: expected '{}' once, found it again", where,
           name.substr(0, kMaxNameBytes));
    read_word(word, where, line);
  }
  line.digest = lower_case(line.digest);
  return line;
}

// A tenant's keys share its limits: two of a kind would contradict each other.
void keep_limit(std::map<std::string, int>& limits, const std::string& tenant,
                std::string_view name, int limit, const std::string& where) {
  if (limit == 0) return;
  const int known = limits.emplace(tenant, limit).first->second;
  if (known != limit)
    fail(ErrorKind::format, "{}: tenant '{}' has {}={} already, found {}={}", where, tenant, name,
         known, name, limit);
}

}  // namespace

// A tenant alone has its own name, which is also how archives name it. ':' is in no name.
std::string Caller::partition(std::string_view cache_salt) const {
  if (!cache_salt.empty()) return fmt::format("salt:{}:{}", tenant, cache_salt);
  return share_group.empty() ? tenant : "group:" + share_group;
}

bool may_publish(std::string_view partition) {
  return !partition.starts_with("salt:");
}

bool is_of_tenant(std::string_view tenant, std::string_view partition, std::string_view donor_id) {
  if (partition == tenant || partition.starts_with(fmt::format("salt:{}:", tenant))) return true;
  return partition.starts_with("group:") && donor_id.starts_with(fmt::format("{}/", tenant));
}

void Tenants::add_line(File& file, const std::string& text, const std::string& where) {
  if (text.size() > kMaxLineBytes || file.callers.size() == kMaxKeys)
    fail(ErrorKind::format, "{}: more than {} bytes in a line, or {} keys", where, kMaxLineBytes,
         kMaxKeys);
  Line line = read_line(text, where);
  const std::string tenant = line.caller.tenant;
  const int rate = line.caller.requests_per_minute;
  if (!file.callers.emplace(std::move(line.digest), std::move(line.caller)).second)
    fail(ErrorKind::format, "{}: this key is listed before", where);
  keep_limit(file.rates, tenant, "rate", rate, where);
  keep_limit(file.memory_mebibytes, tenant, "memory", line.memory, where);
}

Tenants::File Tenants::read(const std::filesystem::path& path) {
  File file;
  std::ifstream stream(path);
  if (!stream) fail(ErrorKind::io, "{}: cannot open: {}", path.string(), std::strerror(errno));
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos || line[0] == '#') continue;
    add_line(file, line, fmt::format("{}:{}", path.string(), number));
  }
  if (stream.bad()) fail(ErrorKind::io, "{}: cannot be read", path.string());
  if (file.callers.empty())
    fail(ErrorKind::format, "{}: expected a key at least, found none", path.string());
  for (auto& [digest, caller] : file.callers)
    if (const auto rate = file.rates.find(caller.tenant); rate != file.rates.end())
      caller.requests_per_minute = rate->second;
  return file;
}

Tenants::Tenants(std::filesystem::path keys) : path_(std::move(keys)) {
  if (has_keys()) reload();
}

std::optional<Caller> Tenants::find(std::string_view key) const {
  if (!has_keys()) return Caller{};
  const std::shared_ptr<const File> file = this->file();
  const auto found = file->callers.find(sha256_hex(key));
  return found == file->callers.end() ? std::nullopt : std::optional(found->second);
}

std::map<std::string, int64_t> Tenants::memory_quotas() const {
  std::map<std::string, int64_t> bytes;
  if (has_keys())
    for (const auto& [tenant, mebibytes] : file()->memory_mebibytes)
      bytes[tenant] = mebibytes * kMebibyte;
  return bytes;
}

std::shared_ptr<const Tenants::File> Tenants::file() const {
  const std::lock_guard lock(mutex_);
  return file_;
}

void Tenants::reload() {
  if (!has_keys()) return;
  auto file = std::make_shared<const File>(read(path_));
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
}

}  // namespace kvs
