#pragma once

#include <string>

#include "kvs/export.h"

namespace kvs {

/// Character classes and normal forms of Unicode, as utf8proc knows them.
KVS_API bool is_whitespace(char32_t code_point);       ///< property White_Space
KVS_API bool is_numeric(char32_t code_point);          ///< categories Nd, Nl, No
KVS_API bool is_punctuation(char32_t code_point);      ///< categories P*, and ASCII's $+<=>^`|~
KVS_API bool is_mark(char32_t code_point);             ///< categories Mn, Mc, Me
KVS_API bool is_nonspacing_mark(char32_t code_point);  ///< category Mn
KVS_API bool is_control(char32_t code_point);          ///< categories Cc, Cf, Co
KVS_API bool is_word(char32_t code_point);  ///< letters, marks, decimal digits, connectors, joiners

/// Appends the lower-case form, character by character (no context rules).
KVS_API void append_lower(std::string& out, char32_t code_point);

enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// `text` (well-formed UTF-8) in a normal form. Takes n log n time at worst, also for long runs of
/// combining marks. Source: Unicode Standard Annex 15.
KVS_API std::string normalized(std::string_view text, NormalForm form);

}  // namespace kvs
