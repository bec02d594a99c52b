#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "kvs/edit_script.h"
#include "kvs/export.h"

namespace kvs {

/// How a script is shown.
struct DiffTextOptions {
  bool colour = false;   ///< ANSI colours in place of marks
  int64_t context = 12;  ///< tokens shown at either end of a long kept run
};

/// Turns token ids into text, in UTF-8.
using DecodeTokens = std::function<std::string(std::span<const int32_t>)>;

/// The target's text with its edits, for people: kept text plain, inserted {+green+}, deleted
/// [-red-], moved {>blue<}, and in magenta what a fuzzy row stood for and stands for, {~old→new~};
/// the marks stand where there is no colour. A kept or moved run of more than twice the context
/// shows its ends around "… 1,204 tokens kept (shift +3) …". Control characters other than line
/// feed and tab are shown as \xNN, so that a prompt cannot steer the terminal. `donors` are the
/// tokens of the script's donors. Throws Error(argument) as apply_script.
KVS_API std::string diff_text(const EditScript& script,
                              std::span<const std::span<const int32_t>> donors,
                              const DecodeTokens& decode, const DiffTextOptions& options = {});

}  // namespace kvs
