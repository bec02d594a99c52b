#pragma once

#include <filesystem>

#include "model/tokenizer_parts.h"

namespace kvs {

/// Takes BOS, EOS, what else ends a generation and the chat template from the files beside a
/// tokenizer.json, where they exist: tokenizer_config.json, chat_template.jinja,
/// generation_config.json, config.json; the first to name a thing decides. Throws Error(format)
/// where one of them is damaged.
void read_tokenizer_config(TokenizerParts& parts, const std::filesystem::path& folder);

}  // namespace kvs
