#pragma once

#include <string>
#include <string_view>

#include "kvs/export.h"

namespace kvs {

/// `text` from an untrusted file, fit for a one-line message: control bytes and bytes outside ASCII
/// become \xNN, and what exceeds `limit` bytes is cut and marked with "...".
KVS_API std::string printable(std::string_view text, size_t limit = 80);

}  // namespace kvs
