#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kvs/json.h"
#include "model/pre_tokenizer.h"

namespace kvs {

/// Where Metaspace puts its character in front.
enum class PrependScheme { always, first, never };

/// Writes spaces as one visible character, U+2581 as a rule. Source: Kudo & Richardson 2018.
struct Metaspace {
  std::string replacement = "\xE2\x96\x81";
  PrependScheme scheme = PrependScheme::always;
  bool split = true;
};

/// Of a pre-tokenizer or a decoder of type Metaspace; also in the older form with
/// "add_prefix_space". Throws Error(format), opening with `subject`.
Metaspace metaspace_from_json(const Json& json, const std::string& subject);

/// Replaces the spaces and puts the character in front; does not split.
std::unique_ptr<PreTokenizerStep> metaspace_step(const Metaspace& metaspace);

}  // namespace kvs
