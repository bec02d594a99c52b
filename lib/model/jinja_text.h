#pragma once

#include <string>
#include <string_view>

#include "kvs/export.h"

namespace kvs {

/// A Jinja template in one way of writing, so that what it renders can be recognised by parts of
/// it: no comments; no spaces but between words; strings in single quotes, with \n, \' and
/// \\ escaped; text outside of tags as {{'text'}}, whitespace trimmed as transformers has it
/// trimmed (trim_blocks, lstrip_blocks and the dashes); message.role as message['role'], .strip()
/// as |trim. Source: Jinja 3.1, "Template Designer Documentation".
KVS_API std::string canonical_jinja(std::string_view text);

/// The text of a string literal of canonical_jinja, without its quotes.
KVS_API std::string unescape_jinja(std::string_view literal);

}  // namespace kvs
