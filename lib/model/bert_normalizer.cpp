#include "model/bert_normalizer.h"

#include "base/utf8.h"
#include "model/json_fields.h"
#include "model/unicode.h"

namespace kvs {
namespace {

// The blocks that BERT surrounds with spaces, with the reference's 2B920 where 2B820 was meant.
bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_dropped(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return c == 0 || c == 0xFFFD || is_control(c);
}

class BertNormalizer : public NormalizerStep {
 public:
  explicit BertNormalizer(const JsonFields& fields)
      : clean_text_(fields.bool_or("clean_text", true)),
        space_ideographs_(fields.bool_or("handle_chinese_chars", true)),
        lowercase_(fields.bool_or("lowercase", true)),
        strip_accents_(fields.bool_or("strip_accents", lowercase_)) {}

  void apply(std::string& text, RegexScratch&) const override {
    if (clean_text_ || space_ideographs_) clean(text);
    if (strip_accents_) text = normalized(text, NormalForm::nfd);
    if (strip_accents_ || lowercase_) fold(text);
  }

 private:
  void clean(std::string& text) const {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const CodePoint next = code_point_at(text, at);
      at += next.bytes;
      if (clean_text_ && is_dropped(next.value)) continue;
      if (clean_text_ && is_whitespace(next.value)) {
        out += ' ';
      } else if (space_ideographs_ && is_ideograph(next.value)) {
        out += ' ';
        append_utf8(out, next.value);
        out += ' ';
      } else {
        append_utf8(out, next.value);
      }
    }
    text = std::move(out);
  }

  void fold(std::string& text) const {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const CodePoint next = code_point_at(text, at);
      at += next.bytes;
      if (strip_accents_ && is_nonspacing_mark(next.value)) continue;
      if (lowercase_)
        append_lower(out, next.value);
      else
        append_utf8(out, next.value);
    }
    text = std::move(out);
  }

  bool clean_text_;
  bool space_ideographs_;
  bool lowercase_;
  bool strip_accents_;
};

}  // namespace

std::unique_ptr<NormalizerStep> bert_normalizer(const Json& json, const std::string& subject) {
  return std::make_unique<BertNormalizer>(JsonFields(json, subject));
}

}  // namespace kvs
