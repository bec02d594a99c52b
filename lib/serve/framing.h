#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kvs {

/// Where the body of a request ends, as its head says.
struct Framing {
  bool chunked = false;
  std::optional<uint64_t> length{};  ///< where it is said

  bool has_body() const { return chunked || length.value_or(0) > 0; }
};

/// Reads it from a request's head: its first line, its fields and the empty line. Throws a Refusal
/// where a proxy may read it in another way than this server, so that bytes of one client's body
/// became another client's request: where lines do not end in CR LF, are folded, have no name or
/// control characters; where lengths, codings or hosts are several; where a length is no number, a
/// coding not "chunked", or both are there. Source: RFC 9112, sections 2.2, 3.2, 5 and 6.
Framing read_framing(std::string_view head);

}  // namespace kvs
