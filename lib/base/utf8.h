#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "kvs/export.h"

namespace kvs {

/// One code point and the bytes it takes.
struct CodePoint {
  char32_t value = 0;
  int bytes = 1;
};

/// The offset of the first byte that is not part of well-formed UTF-8, or nothing where all are.
/// Source: RFC 3629 (no surrogates, no overlong forms, nothing above U+10FFFF).
KVS_API std::optional<size_t> find_invalid_utf8(std::string_view text);

/// The code point at `at`. `text` must be well-formed there; `at` must be below its size.
KVS_API CodePoint code_point_at(std::string_view text, size_t at);

/// The code point that ends at `end`. `text` must be well-formed; `end` must be above 0.
KVS_API CodePoint code_point_before(std::string_view text, size_t end);

KVS_API void append_utf8(std::string& out, char32_t code_point);

/// Puts U+FFFD in the place of every maximal part that is not well-formed UTF-8, one character at a
/// time as bytes arrive. What finish() and all push() return, joined, is well-formed UTF-8.
/// Source: Unicode 15, section 3.9, "substitution of maximal subparts".
class KVS_API Utf8Assembler {
 public:
  /// Appends to `out` every character that `bytes` completes.
  void push(std::string_view bytes, std::string& out);

  /// Appends U+FFFD where a character was left incomplete, and starts again.
  void finish(std::string& out);

 private:
  void push_byte(unsigned char byte, std::string& out);

  std::string pending_;  // the beginning of a character, at most three bytes
};

}  // namespace kvs
