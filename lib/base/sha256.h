#pragma once

#include <string>
#include <string_view>

namespace kvs {

/// The SHA-256 of `bytes`, in lower-case hexadecimal digits. Source: FIPS 180-4. Not part of
/// libkvs, whose users would all load libcrypto with it.
std::string sha256_hex(std::string_view bytes);

}  // namespace kvs
