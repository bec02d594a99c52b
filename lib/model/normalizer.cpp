#include "model/normalizer.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "base/utf8.h"
#include "kvs/error.h"
#include "model/bert_normalizer.h"
#include "model/error_subject.h"
#include "model/text_pattern.h"
#include "model/unicode.h"

namespace kvs {
namespace {

class FormStep : public NormalizerStep {
 public:
  explicit FormStep(NormalForm form) : form_(form) {}
  void apply(std::string& text, RegexScratch&) const override { text = normalized(text, form_); }

 private:
  NormalForm form_;
};

class LowercaseStep : public NormalizerStep {
 public:
  void apply(std::string& text, RegexScratch&) const override {
    std::string lower;
    lower.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const CodePoint next = code_point_at(text, at);
      append_lower(lower, next.value);
      at += next.bytes;
    }
    text = std::move(lower);
  }
};

class StripAccentsStep : public NormalizerStep {
 public:
  void apply(std::string& text, RegexScratch&) const override {
    std::string kept;
    kept.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      const CodePoint next = code_point_at(text, at);
      if (!is_mark(next.value)) append_utf8(kept, next.value);
      at += next.bytes;
    }
    text = std::move(kept);
  }
};

class StripStep : public NormalizerStep {
 public:
  StripStep(bool left, bool right) : left_(left), right_(right) {}

  void apply(std::string& text, RegexScratch&) const override {
    size_t begin = 0;
    size_t end = text.size();
    while (left_ && begin < end && is_whitespace(code_point_at(text, begin).value))
      begin += code_point_at(text, begin).bytes;
    while (right_ && end > begin && is_whitespace(code_point_before(text, end).value))
      end -= code_point_before(text, end).bytes;
    text = text.substr(begin, end - begin);
  }

 private:
  bool left_;
  bool right_;
};

class PrependStep : public NormalizerStep {
 public:
  explicit PrependStep(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(std::string& text, RegexScratch&) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class ReplaceStep : public NormalizerStep {
 public:
  ReplaceStep(std::unique_ptr<TextPattern> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void apply(std::string& text, RegexScratch& scratch) const override {
    std::vector<TextRange> matches;
    pattern_->find_all(text, scratch, matches);
    if (matches.empty()) return;
    std::string replaced;
    replaced.reserve(text.size() + matches.size() * content_.size());
    size_t end = 0;
    for (const TextRange& match : matches) {
      replaced.append(text, end, match.begin - end).append(content_);
      end = match.end;
    }
    replaced.append(text, end);
    text = std::move(replaced);
  }

 private:
  std::unique_ptr<TextPattern> pattern_;
  std::string content_;
};

using NormalizerSteps = std::vector<std::unique_ptr<NormalizerStep>>;

std::unique_ptr<NormalizerStep> make_step(std::string_view type, const Json& json,
                                          const std::string& subject) {
  if (type == "NFC") return std::make_unique<FormStep>(NormalForm::nfc);
  if (type == "NFD") return std::make_unique<FormStep>(NormalForm::nfd);
  if (type == "NFKC") return std::make_unique<FormStep>(NormalForm::nfkc);
  if (type == "NFKD") return std::make_unique<FormStep>(NormalForm::nfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseStep>();
  if (type == "StripAccents") return std::make_unique<StripAccentsStep>();
  if (type == "Prepend") return std::make_unique<PrependStep>(json.get("prepend").as_string());
  if (type == "Strip")
    return std::make_unique<StripStep>(json.get("strip_left").as_bool(),
                                       json.get("strip_right").as_bool());
  if (type == "Replace")
    return std::make_unique<ReplaceStep>(pattern_from_json(json.get("pattern"), subject),
                                         json.get("content").as_string());
  if (type == "BertNormalizer") return bert_normalizer(json, subject);
  fail(ErrorKind::format, "{}: type '{}' is not known", subject, printable(type));
}

void add_steps(NormalizerSteps& steps, const Json& json, const std::string& subject) {
  if (json.is_null()) return;
  const std::string& type = json.get("type").as_string();
  if (type != "Sequence") return steps.push_back(make_step(type, json, subject));
  for (const Json& part : json.get("normalizers").as_array()) add_steps(steps, part, subject);
}

}  // namespace

Normalizer::Normalizer(const Json& json, std::string_view source) {
  const std::string subject = fmt::format("{}: normalizer", source);
  with_subject(subject, [&] { add_steps(steps_, json, subject); });
}

std::string Normalizer::apply(std::string_view text, RegexScratch& scratch) const {
  std::string out(text);
  for (const auto& step : steps_) step->apply(out, scratch);
  return out;
}

}  // namespace kvs
