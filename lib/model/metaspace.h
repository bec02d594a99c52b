#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kvs/json.h"
#include "model/pre_tokenizer.h"

namespace kvs {

/// U+2581, the visible character that SentencePiece writes spaces as (Kudo & Richardson 2018).
inline constexpr std::string_view kMetaspace = "\xE2\x96\x81";

/// Where Metaspace puts its character in front.
enum class PrependScheme { always, first, never };

/// Writes spaces as one visible character.
struct Metaspace {
  std::string replacement{kMetaspace};
  PrependScheme scheme = PrependScheme::always;
  bool split = true;
};

/// Of a pre-tokenizer or a decoder of type Metaspace; also in the older form with
/// "add_prefix_space". Throws Error(format), opening with `subject`.
Metaspace metaspace_from_json(const Json& json, const std::string& subject);

/// Replaces the spaces and puts the character in front; does not split.
std::unique_ptr<PreTokenizerStep> metaspace_step(const Metaspace& metaspace);

}  // namespace kvs
