#include "serve/origins.h"

#include <algorithm>
#include <cctype>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr std::string_view kNone = "null";  // of a page that has no origin to show

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// Behind the scheme; "" where there is none.
std::string_view authority_of(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme == 0 || scheme == origin.npos ? "" : origin.substr(scheme + 3);
}

}  // namespace

Origins::Origins(const std::vector<std::string>& allowed) {
  for (const std::string& origin : allowed) {
    const std::string_view host = authority_of(origin);
    if (origin != kNone && (host.empty() || host.find_first_of("/?#@* ") != host.npos))
      fail(ErrorKind::argument, "origin '{}': expected SCHEME://HOST[:PORT] or null", origin);
    allowed_.push_back(lower_case(origin));
  }
}

bool Origins::allow(std::string_view origin) const {
  return !origin.empty() &&
         std::find(allowed_.begin(), allowed_.end(), lower_case(origin)) != allowed_.end();
}

bool Origins::is_own(std::string_view origin, std::string_view host) {
  return !host.empty() && lower_case(authority_of(origin)) == lower_case(host);
}

}  // namespace kvs
