#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kvs/json.h"

namespace kvs {

/// The tokens that a tokenizer puts around a text.
struct PostProcessor {
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};

/// Of tokenizer.json: TemplateProcessing (its form for one text), BertProcessing,
/// RobertaProcessing, ByteLevel and Sequence; `json` may be null. Throws Error(format), opening
/// with `source`, naming a type not known here.
PostProcessor post_processor_from_json(const Json& json, std::string_view source);

}  // namespace kvs
