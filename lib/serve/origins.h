#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvs {

/// The web pages, by their origins, that a browser may let talk to the server. A browser sends what
/// any page has to post, without asking first where it looks like a form, and says whose page it is
/// in Origin; programs that are no browsers mostly say none. Source: RFC 6454, section 7.
class Origins {
 public:
  /// Throws Error(argument) where one is not SCHEME://HOST[:PORT] or "null".
  explicit Origins(const std::vector<std::string>& allowed);

  /// Whether it is one of those that are allowed.
  bool allow(std::string_view origin) const;
  /// Whether it is that of the server's own page; `host` as in the request's Host.
  static bool is_own(std::string_view origin, std::string_view host);

 private:
  std::vector<std::string> allowed_;  // in lower case
};

}  // namespace kvs
