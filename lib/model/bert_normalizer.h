#pragma once

#include <memory>
#include <string>

#include "kvs/json.h"
#include "model/normalizer.h"

namespace kvs {

/// {"type": "BertNormalizer", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"}.
/// `subject` opens the message of Error(format). Source: google-research/bert, BasicTokenizer.
std::unique_ptr<NormalizerStep> bert_normalizer(const Json& json, const std::string& subject);

}  // namespace kvs
