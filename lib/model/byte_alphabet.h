#pragma once

#include <string>
#include <string_view>

#include "kvs/export.h"

namespace kvs {

/// Byte-level BPE writes each byte as one visible character. Source: Radford et al. 2019 (GPT-2).

/// Appends the characters of `bytes`; the result is well-formed UTF-8.
KVS_API void append_byte_chars(std::string& out, std::string_view bytes);

/// The bytes that the characters of `text` stand for; `text` itself where it holds any other
/// character.
KVS_API std::string bytes_of_chars(std::string_view text);

}  // namespace kvs
