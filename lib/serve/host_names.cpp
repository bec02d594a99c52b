#include "serve/host_names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

namespace kvs {
namespace {

// In lower case, without a port, the brackets of an address or a last dot.
std::string bare(std::string_view host) {
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
  } else if (std::count(host.begin(), host.end(), ':') == 1) {
    host = host.substr(0, host.find(':'));
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string name(host);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

bool is_address(const std::string& name) {
  in6_addr address{};
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

}  // namespace

bool HostNames::has(std::string_view host) const {
  if (host.empty()) return true;
  const std::string name = bare(host);
  if (name == "localhost" || name.ends_with(".localhost") || is_address(name)) return true;
  return std::any_of(others_.begin(), others_.end(),
                     [&](const std::string& other) { return bare(other) == name; });
}

}  // namespace kvs
