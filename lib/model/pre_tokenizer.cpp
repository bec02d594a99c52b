#include "model/pre_tokenizer.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/byte_alphabet.h"
#include "model/error_subject.h"
#include "model/json_fields.h"
#include "model/metaspace.h"
#include "model/text_pattern.h"
#include "model/unicode.h"

namespace kvs {
namespace {

// The reference runs this one with Rust's regex crate, whose \w is wider than Oniguruma's.
constexpr std::string_view kWhitespace =
    R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}]+|[^\s\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}]+)";
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class SplitStep : public PreTokenizerStep {
 public:
  SplitStep(std::unique_ptr<TextPattern> pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(TextPieces& text, RegexScratch& scratch) const override {
    std::vector<TextRange> pieces;
    pieces.reserve(2 * text.pieces.size());
    std::vector<TextRange> matches;
    for (const TextRange& piece : text.pieces) {
      const size_t first = pieces.size();
      const std::string_view part = std::string_view(text.text).substr(piece.begin, piece.size());
      pattern_->find_all(part, scratch, matches);
      split_at(matches, part.size(), behavior_, invert_, pieces);
      for (size_t index = first; index < pieces.size(); ++index) {
        pieces[index].begin += piece.begin;
        pieces[index].end += piece.begin;
      }
    }
    text.pieces = std::move(pieces);
  }

 private:
  std::unique_ptr<TextPattern> pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Puts a space before every piece that does not begin with one.
class PrefixSpaceStep : public PreTokenizerStep {
 public:
  void apply(TextPieces& text, RegexScratch&) const override {
    std::string out;
    for (TextRange& piece : text.pieces) {
      const size_t begin = out.size();
      if (text.text[piece.begin] != ' ') out += ' ';
      out.append(text.text, piece.begin, piece.size());
      piece = {begin, out.size()};
    }
    text.text = std::move(out);
  }
};

class ToByteCharsStep : public PreTokenizerStep {
 public:
  void apply(TextPieces& text, RegexScratch&) const override {
    std::string out;
    out.reserve(text.text.size() + text.text.size() / 2);
    for (TextRange& piece : text.pieces) {
      const size_t begin = out.size();
      append_byte_chars(out, std::string_view(text.text).substr(piece.begin, piece.size()));
      piece = {begin, out.size()};
    }
    text.text = std::move(out);
  }
};

using PreTokenizerSteps = std::vector<std::unique_ptr<PreTokenizerStep>>;

void add_split(PreTokenizerSteps& steps, std::unique_ptr<TextPattern> pattern,
               SplitBehavior behavior, bool invert = false) {
  steps.push_back(std::make_unique<SplitStep>(std::move(pattern), behavior, invert));
}

void add_byte_level(PreTokenizerSteps& steps, const Json& json, const std::string& subject) {
  if (JsonFields(json, subject).bool_or("add_prefix_space", true))
    steps.push_back(std::make_unique<PrefixSpaceStep>());
  if (JsonFields(json, subject).bool_or("use_regex", true))
    add_split(steps, regex_pattern(kGpt2, subject), SplitBehavior::isolated);
  steps.push_back(std::make_unique<ToByteCharsStep>());
}

void add_split_on_pattern(PreTokenizerSteps& steps, const Json& json, const std::string& subject) {
  add_split(steps, pattern_from_json(json.get("pattern"), subject),
            split_behavior(json.get("behavior").as_string(), subject),
            JsonFields(json, subject).bool_or("invert", false));
}

void add_step(PreTokenizerSteps& steps, std::string_view type, const Json& json,
              const std::string& subject) {
  if (type == "Split") {
    add_split_on_pattern(steps, json, subject);
  } else if (type == "ByteLevel") {
    add_byte_level(steps, json, subject);
  } else if (type == "Digits") {
    add_split(steps, char_pattern(is_numeric),
              JsonFields(json, subject).bool_or("individual_digits", false)
                  ? SplitBehavior::isolated
                  : SplitBehavior::contiguous);
  } else if (type == "Punctuation") {
    add_split(steps, char_pattern(is_punctuation),
              split_behavior(JsonFields(json, subject).string_or("behavior", "Isolated"), subject));
  } else if (type == "Whitespace") {
    add_split(steps, regex_pattern(kWhitespace, subject), SplitBehavior::removed, true);
  } else if (type == "WhitespaceSplit") {
    add_split(steps, char_pattern(is_whitespace), SplitBehavior::removed);
  } else if (type == "CharDelimiterSplit") {
    add_split(steps, literal_pattern(json.get("delimiter").as_string()), SplitBehavior::removed);
  } else if (type == "BertPreTokenizer") {
    add_split(steps, char_pattern(is_whitespace), SplitBehavior::removed);
    add_split(steps, char_pattern(is_punctuation), SplitBehavior::isolated);
  } else if (type == "Metaspace") {
    const Metaspace metaspace = metaspace_from_json(json, subject);
    steps.push_back(metaspace_step(metaspace));
    if (metaspace.split)
      add_split(steps, literal_pattern(metaspace.replacement), SplitBehavior::merged_with_next);
  } else {
    fail(ErrorKind::format, "{}: type '{}' is not known", subject, printable(type));
  }
}

void add_steps(PreTokenizerSteps& steps, const Json& json, const std::string& subject) {
  if (json.is_null()) return;
  const std::string& type = json.get("type").as_string();
  if (type != "Sequence") return add_step(steps, type, json, subject);
  for (const Json& part : json.get("pretokenizers").as_array()) add_steps(steps, part, subject);
}

}  // namespace

PreTokenizer::PreTokenizer(const Json& json, std::string_view source) {
  const std::string subject = fmt::format("{}: pre-tokenizer", source);
  with_subject(subject, [&] { add_steps(steps_, json, subject); });
}

void PreTokenizer::apply(TextPieces& text, RegexScratch& scratch) const {
  text.pieces.clear();
  if (!text.text.empty()) text.pieces.push_back({0, text.text.size()});
  for (const auto& step : steps_) step->apply(text, scratch);
}

}  // namespace kvs
