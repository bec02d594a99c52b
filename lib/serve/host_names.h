#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvs {

/// The names by which a server may be asked for. A web page of somebody else can let its own name
/// lead to this machine (DNS rebinding) and would then read what only this machine may; a browser
/// says that name in Host. Addresses cannot be redirected so.
class HostNames {
 public:
  /// Besides localhost, names below it, and addresses.
  explicit HostNames(std::vector<std::string> others) : others_(std::move(others)) {}

  /// Whether a Host field, with a port or without, names the server; one that is not there (empty)
  /// is none of a browser's.
  bool has(std::string_view host) const;

 private:
  std::vector<std::string> others_;
};

}  // namespace kvs
