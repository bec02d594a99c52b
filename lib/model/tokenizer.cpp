#include "kvs/tokenizer.h"

#include <algorithm>

#include "base/utf8.h"
#include "kvs/error.h"
#include "model/tokenizer_parts.h"

namespace kvs {
namespace {

constexpr size_t kMaxText = size_t{1} << 30;

void check_text(std::string_view text) {
  if (text.size() > kMaxText)
    fail(ErrorKind::argument, "text: {} bytes long, expected at most {}", text.size(), kMaxText);
  if (const auto bad = find_invalid_utf8(text))
    fail(ErrorKind::argument, "text: not valid UTF-8 at byte {}", *bad);
}

bool lies_inside(std::span<const TextRange> ranges, const TextRange& place) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), place.begin,
                       [](size_t begin, const TextRange& range) { return begin < range.begin; });
  return after != ranges.begin() && place.end <= (after - 1)->end;
}

// One call of encode().
class Encoding {
 public:
  Encoding(const TokenizerParts& parts, std::string_view text, const EncodeOptions& options)
      : parts_(parts), text_(text), options_(options) {}

  std::vector<int32_t> run() {
    const PostProcessor& around = parts_.post_processor;
    if (options_.add_special) out_ = around.prefix;
    out_.reserve(out_.size() + text_.size() / 4 + around.suffix.size());
    const auto allow = [this](const TextRange& place) {
      return options_.parse_special || lies_inside(options_.markup, place);
    };
    for (const AddedTokenMatcher::Part& part : parts_.raw_matcher.split(text_, allow)) {
      if (part.id >= 0)
        out_.push_back(part.id);
      else
        put_segment(part.range);
    }
    if (options_.add_special) out_.insert(out_.end(), around.suffix.begin(), around.suffix.end());
    return std::move(out_);
  }

 private:
  void put_segment(const TextRange& segment) {
    const std::string_view raw = text_.substr(segment.begin, segment.size());
    if (parts_.normalizer.is_empty() && parts_.normalized_matcher.is_empty())
      return put_text(raw, segment.begin == 0);
    const std::string text = parts_.normalizer.apply(raw, regex_);
    const std::vector<TextRange> markup = normalized_markup(segment);
    const auto allow = [&](const TextRange& place) {
      return options_.parse_special || lies_inside(markup, place);
    };
    for (const AddedTokenMatcher::Part& part : parts_.normalized_matcher.split(text, allow)) {
      if (part.id >= 0)
        out_.push_back(part.id);
      else
        put_text(std::string_view(text).substr(part.range.begin, part.range.size()),
                 segment.begin == 0 && part.range.begin == 0);
    }
  }

  // Where the markup of a segment lies once the segment is normalised: a boundary moves to the
  // length of the normalised text before it.
  std::vector<TextRange> normalized_markup(const TextRange& segment) {
    std::vector<TextRange> moved;
    if (!parts_.has_normalized_specials) return moved;
    const auto length_up_to = [&](size_t end) {
      return parts_.normalizer.apply(text_.substr(segment.begin, end - segment.begin), regex_)
          .size();
    };
    for (const TextRange& range : options_.markup) {
      const size_t begin = std::max(range.begin, segment.begin);
      const size_t end = std::min(range.end, segment.end);
      if (begin < end) moved.push_back({length_up_to(begin), length_up_to(end)});
    }
    return moved;
  }

  void put_text(std::string_view text, bool is_start) {
    pieces_.text = text;
    pieces_.is_start = is_start;
    parts_.pre_tokenizer.apply(pieces_, regex_);
    for (const TextRange& piece : pieces_.pieces)
      parts_.model->encode(std::string_view(pieces_.text).substr(piece.begin, piece.size()), words_,
                           out_);
  }

  const TokenizerParts& parts_;
  std::string_view text_;
  const EncodeOptions& options_;
  std::vector<int32_t> out_;
  RegexScratch regex_;
  TextPieces pieces_;
  WordScratch words_;
};

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  check_text(text);
  return Encoding(*parts_, text, options).run();
}

std::string Tokenizer::decode(std::span<const int32_t> tokens, bool skip_special) const {
  Detokenizer detokenizer(*this, skip_special);
  std::string text;
  for (const int32_t token : tokens) text += detokenizer.push(token);
  return text + detokenizer.finish();
}

std::string Tokenizer::token_bytes(int32_t id) const {
  const auto text = find_decoder_text(*parts_, id);
  if (!text) return "";
  TokenDecoder::State state = parts_->decoder.start();
  for (DecoderMemory& memory : state.memories) {
    memory.is_first = false;
    memory.begun = true;
  }
  return parts_->decoder.push(*text, state);
}

std::optional<std::string> Tokenizer::token_text(int32_t id) const {
  const auto text = find_text(*parts_, id);
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

std::optional<int32_t> Tokenizer::find_token(std::string_view text) const {
  return find_id(*parts_, text);
}

int32_t Tokenizer::vocab_size() const {
  const int32_t added = parts_->added.empty() ? 0 : parts_->added.rbegin()->first + 1;
  return std::max(added, parts_->vocabulary.size());
}

std::optional<int32_t> Tokenizer::bos() const {
  return parts_->bos;
}
std::optional<int32_t> Tokenizer::eos() const {
  return parts_->eos;
}

bool Tokenizer::is_end_of_generation(int32_t id) const {
  return std::binary_search(parts_->ends.begin(), parts_->ends.end(), id);
}

bool Tokenizer::is_special(int32_t id) const {
  const auto added = parts_->added.find(id);
  return added != parts_->added.end() && added->second.special;
}

const std::string& Tokenizer::chat_template() const {
  return parts_->chat_template;
}
Hash128 Tokenizer::hash() const {
  return parts_->hash;
}

struct Detokenizer::State {
  const TokenizerParts* parts;
  bool skip_special;
  TokenDecoder::State decoder;
  Utf8Assembler assembler;
};

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : state_(std::make_unique<State>(State{tokenizer.parts_.get(), skip_special,
                                           tokenizer.parts_->decoder.start(), Utf8Assembler()})) {}
Detokenizer::~Detokenizer() = default;
Detokenizer::Detokenizer(Detokenizer&&) noexcept = default;
Detokenizer& Detokenizer::operator=(Detokenizer&&) noexcept = default;

std::string Detokenizer::push(int32_t id) {
  const auto text = find_decoder_text(*state_->parts, id);
  if (!text) return "";
  const auto added = state_->parts->added.find(id);
  const bool special = added != state_->parts->added.end() && added->second.special;
  std::string out;
  if (state_->skip_special && special) return out;
  state_->assembler.push(state_->parts->decoder.push(*text, state_->decoder), out);
  return out;
}

std::string Detokenizer::finish() {
  std::string out;
  state_->assembler.finish(out);
  state_->decoder = state_->parts->decoder.start();
  return out;
}

}  // namespace kvs
