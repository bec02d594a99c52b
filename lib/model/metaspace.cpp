#include "model/metaspace.h"

#include "base/printable.h"
#include "kvs/error.h"
#include "model/json_fields.h"

namespace kvs {
namespace {

PrependScheme scheme_of(std::string_view name, std::string_view subject) {
  if (name == "always") return PrependScheme::always;
  if (name == "first") return PrependScheme::first;
  if (name == "never") return PrependScheme::never;
  fail(ErrorKind::format, "{}: prepend_scheme '{}' is not known", subject, printable(name));
}

class MetaspaceStep : public PreTokenizerStep {
 public:
  explicit MetaspaceStep(Metaspace metaspace) : metaspace_(std::move(metaspace)) {}

  void apply(TextPieces& text, RegexScratch&) const override {
    std::string out;
    out.reserve(text.text.size() + text.text.size() / 2);
    for (TextRange& piece : text.pieces) {
      const size_t begin = out.size();
      if (is_prefixed(text, piece)) out += metaspace_.replacement;
      for (size_t at = piece.begin; at < piece.end; ++at) {
        if (text.text[at] == ' ')
          out += metaspace_.replacement;
        else
          out += text.text[at];
      }
      piece = {begin, out.size()};
    }
    text.text = std::move(out);
  }

 private:
  bool is_prefixed(const TextPieces& text, const TextRange& piece) const {
    if (metaspace_.scheme == PrependScheme::never) return false;
    if (metaspace_.scheme == PrependScheme::first && !(text.is_start && piece.begin == 0))
      return false;
    const std::string_view part = std::string_view(text.text).substr(piece.begin, piece.size());
    return part[0] != ' ' && !part.starts_with(metaspace_.replacement);
  }

  Metaspace metaspace_;
};

}  // namespace

Metaspace metaspace_from_json(const Json& json, const std::string& subject) {
  Metaspace metaspace;
  metaspace.replacement = json.get("replacement").as_string();
  if (metaspace.replacement.empty())
    fail(ErrorKind::format, "{}: the replacement of Metaspace is empty", subject);
  metaspace.scheme =
      scheme_of(JsonFields(json, subject).string_or("prepend_scheme", "always"), subject);
  if (!JsonFields(json, subject).bool_or("add_prefix_space", true))
    metaspace.scheme = PrependScheme::never;
  metaspace.split = JsonFields(json, subject).bool_or("split", true);
  return metaspace;
}

std::unique_ptr<PreTokenizerStep> metaspace_step(const Metaspace& metaspace) {
  return std::make_unique<MetaspaceStep>(metaspace);
}

}  // namespace kvs
