#pragma once

#include <string>
#include <string_view>

#include "kvs/export.h"

namespace kvs {

/// Rewrites a pattern in Oniguruma's Ruby syntax, which tokenizer.json uses, into one that PCRE2
/// (with UTF and UCP, `^` and `$` at every line) understands alike. `subject` opens the message of
/// Error(format), thrown for what has no counterpart: nested or intersected character classes.
/// Source: Oniguruma's doc/RE; pcre2pattern(3).
KVS_API std::string pcre2_pattern(std::string_view ruby_pattern, std::string_view subject);

}  // namespace kvs
