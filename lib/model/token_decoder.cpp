#include "model/token_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/byte_alphabet.h"
#include "model/error_subject.h"
#include "model/json_fields.h"
#include "model/metaspace.h"
#include "model/replace_all.h"
#include "model/text_pattern.h"

namespace kvs {
namespace {

class JoinStep : public DecoderStep {
 public:
  void push(std::string& text, DecoderMemory& memory, RegexScratch&) const override {
    if (!memory.is_first) text.insert(0, " ");
    memory.is_first = false;
  }
};

class FromByteCharsStep : public DecoderStep {
 public:
  void push(std::string& text, DecoderMemory&, RegexScratch&) const override {
    text = bytes_of_chars(text);
  }
};

class ByteFallbackStep : public DecoderStep {
 public:
  void push(std::string& text, DecoderMemory&, RegexScratch&) const override {
    if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
    if (error == std::errc() && end == text.data() + 5) text.assign(1, static_cast<char>(value));
  }
};

class WordPieceStep : public DecoderStep {
 public:
  WordPieceStep(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void push(std::string& text, DecoderMemory& memory, RegexScratch&) const override {
    if (!memory.is_first) {
      if (text.starts_with(prefix_))
        text.erase(0, prefix_.size());
      else
        text.insert(0, " ");
    }
    memory.is_first = false;
    if (cleanup_) clean(text);
  }

 private:
  static void clean(std::string& text) {
    constexpr std::array<std::array<std::string_view, 2>, 11> kRules = {{{" .", "."},
                                                                         {" ?", "?"},
                                                                         {" !", "!"},
                                                                         {" ,", ","},
                                                                         {" ' ", "'"},
                                                                         {" n't", "n't"},
                                                                         {" 'm", "'m"},
                                                                         {" do not", " don't"},
                                                                         {" 's", "'s"},
                                                                         {" 've", "'ve"},
                                                                         {" 're", "'re"}}};
    for (const auto& [from, to] : kRules) replace_all(text, from, to);
  }

  std::string prefix_;
  bool cleanup_;
};

class MetaspaceDecoderStep : public DecoderStep {
 public:
  explicit MetaspaceDecoderStep(Metaspace metaspace) : metaspace_(std::move(metaspace)) {}

  void push(std::string& text, DecoderMemory& memory, RegexScratch&) const override {
    const bool drop = memory.is_first && metaspace_.scheme != PrependScheme::never;
    replace_all(text, metaspace_.replacement, drop ? "" : " ");
    memory.is_first = false;
  }

 private:
  Metaspace metaspace_;
};

class ReplaceDecoderStep : public DecoderStep {
 public:
  ReplaceDecoderStep(std::unique_ptr<TextPattern> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void push(std::string& text, DecoderMemory&, RegexScratch& scratch) const override {
    std::vector<TextRange> matches;
    pattern_->find_all(text, scratch, matches);
    for (auto match = matches.rbegin(); match != matches.rend(); ++match)
      text.replace(match->begin, match->size(), content_);
  }

 private:
  std::unique_ptr<TextPattern> pattern_;
  std::string content_;
};

struct StripOptions {
  std::string content;
  size_t start = 0;
  size_t stop = 0;
};

// Takes up to `start` and `stop` characters off the ends of every token.
class StripTokenStep : public DecoderStep {
 public:
  explicit StripTokenStep(StripOptions options) : options_(std::move(options)) {}

  void push(std::string& text, DecoderMemory&, RegexScratch&) const override {
    const std::string& content = options_.content;
    for (size_t count = 0; count < options_.start && text.starts_with(content); ++count)
      text.erase(0, content.size());
    for (size_t count = 0; count < options_.stop && text.ends_with(content); ++count)
      text.erase(text.size() - content.size());
  }

 private:
  StripOptions options_;
};

// The same at the ends of the whole text. What might be its end is held back, and dropped with the
// state when nothing follows.
class StripStreamStep : public DecoderStep {
 public:
  explicit StripStreamStep(StripOptions options) : options_(std::move(options)) {}

  void push(std::string& text, DecoderMemory& memory, RegexScratch&) const override {
    const char content = options_.content[0];
    while (!memory.begun && !text.empty()) {
      memory.begun = memory.stripped == options_.start || text[0] != content;
      if (memory.begun) break;
      text.erase(0, 1);
      ++memory.stripped;
    }
    text.insert(0, std::exchange(memory.held, ""));
    size_t keep = text.size();
    while (keep > 0 && text.size() - keep < options_.stop && text[keep - 1] == content) --keep;
    memory.held = text.substr(keep);
    text.resize(keep);
  }

 private:
  StripOptions options_;
};

using DecoderSteps = std::vector<std::unique_ptr<DecoderStep>>;

StripOptions strip_options(const Json& json, const std::string& subject) {
  constexpr int64_t kMost = 1 << 20;
  const StripOptions options{
      json.get("content").as_string(),
      static_cast<size_t>(std::clamp<int64_t>(json.get("start").as_int(), 0, kMost)),
      static_cast<size_t>(std::clamp<int64_t>(json.get("stop").as_int(), 0, kMost))};
  if (options.content.empty()) fail(ErrorKind::format, "{}: Strip strips nothing", subject);
  return options;
}

void add_steps(DecoderSteps& steps, const Json& json, bool& fused, const std::string& subject) {
  const std::string& type = json.get("type").as_string();
  if (type == "Sequence") {
    for (const Json& part : json.get("decoders").as_array()) add_steps(steps, part, fused, subject);
    return;
  }
  if (fused && type != "Strip" && type != "Fuse")
    fail(ErrorKind::format, "{}: '{}' after the tokens were joined is not supported", subject,
         printable(type));
  if (type == "Fuse") {
    fused = true;
  } else if (type == "ByteLevel") {
    steps.push_back(std::make_unique<FromByteCharsStep>());
    fused = true;
  } else if (type == "ByteFallback") {
    steps.push_back(std::make_unique<ByteFallbackStep>());
  } else if (type == "WordPiece") {
    steps.push_back(
        std::make_unique<WordPieceStep>(JsonFields(json, subject).string_or("prefix", "##"),
                                        JsonFields(json, subject).bool_or("cleanup", true)));
  } else if (type == "Metaspace") {
    steps.push_back(std::make_unique<MetaspaceDecoderStep>(metaspace_from_json(json, subject)));
  } else if (type == "Replace") {
    steps.push_back(std::make_unique<ReplaceDecoderStep>(
        pattern_from_json(json.get("pattern"), subject), json.get("content").as_string()));
  } else if (type == "Strip") {
    StripOptions options = strip_options(json, subject);
    if (fused && options.content.size() > 1)
      fail(ErrorKind::format, "{}: Strip of a character outside ASCII is not supported", subject);
    if (fused)
      steps.push_back(std::make_unique<StripStreamStep>(std::move(options)));
    else
      steps.push_back(std::make_unique<StripTokenStep>(std::move(options)));
  } else {
    fail(ErrorKind::format, "{}: type '{}' is not known", subject, printable(type));
  }
}

}  // namespace

TokenDecoder::TokenDecoder() {
  steps_.push_back(std::make_unique<JoinStep>());
}

TokenDecoder::TokenDecoder(const Json& json, std::string_view source) {
  if (json.is_null()) {
    steps_.push_back(std::make_unique<JoinStep>());
    return;
  }
  const std::string subject = fmt::format("{}: decoder", source);
  bool fused = false;
  with_subject(subject, [&] { add_steps(steps_, json, fused, subject); });
}

TokenDecoder::State TokenDecoder::start() const {
  return {std::vector<DecoderMemory>(steps_.size()), RegexScratch()};
}

std::string TokenDecoder::push(std::string_view text, State& state) const {
  std::string out(text);
  for (size_t step = 0; step < steps_.size(); ++step)
    steps_[step]->push(out, state.memories[step], state.scratch);
  return out;
}

}  // namespace kvs
