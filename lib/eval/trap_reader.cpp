#include <algorithm>

#include "base/line_reader.h"
#include "base/utf8.h"
#include "kvs/error.h"
#include "kvs/traps.h"

namespace kvs {
namespace {

// One line and where it stands.
class TrapLine {
 public:
  TrapLine(const std::string& text, std::string where)
      : where_(std::move(where)), json_(Json::parse(valid(text), where_)) {}

  std::string text(const char* name) const { return text_of(field(name), name); }

  std::array<std::string, 2> answers() const {
    const Json& answers = field("answers");
    if (!answers.is_array() || answers.as_array().size() != 2)
      fail(ErrorKind::format, "{}: field 'answers': expected two texts", where_);
    return {text_of(answers.as_array()[0], "answers"), text_of(answers.as_array()[1], "answers")};
  }

  const std::string& where() const { return where_; }

 private:
  const std::string& valid(const std::string& text) const {
    if (const auto byte = find_invalid_utf8(text))
      fail(ErrorKind::format, "{}: not valid UTF-8 at byte {}", where_, *byte + 1);
    return text;
  }

  const Json& field(const char* name) const {
    const Json* value = json_.find(name);
    if (!value) fail(ErrorKind::format, "{}: field '{}' is missing", where_, name);
    return *value;
  }

  std::string text_of(const Json& value, const char* name) const {
    if (!value.is_string() || value.as_string().empty())
      fail(ErrorKind::format, "{}: field '{}': expected a text, found {}", where_, name,
           value.is_string() ? "an empty one" : value.type_name());
    return value.as_string();
  }

  std::string where_;
  Json json_;
};

constexpr size_t kMaxAnswerTokens = Transformer::kMaxLogitsRows;

bool begins(const std::vector<int32_t>& whole, const std::vector<int32_t>& part) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

Trap read_trap(const TrapLine& line, const PromptEncoder& prompts) {
  Trap trap{.id = line.text("id"), .kind = line.text("kind")};
  const std::string question = line.text("question");
  const std::array<std::string, 2> texts{line.text("prompt_a"), line.text("prompt_b")};
  const std::array<std::string, 2> answers = line.answers();
  for (size_t side = 0; side < 2; ++side) {
    trap.prompts[side] =
        prompts.encode_chat({{.role = "user", .content = texts[side] + "\n\n" + question}});
    trap.answers[side] = prompts.tokenizer()->encode(answers[side], {.add_special = false});
  }
  for (size_t side = 0; side < 2; ++side)
    if (trap.answers[side].size() > kMaxAnswerTokens)
      fail(ErrorKind::format, "{}: field 'answers': {} tokens, expected at most {}", line.where(),
           trap.answers[side].size(), kMaxAnswerTokens);
  for (size_t side = 0; side < 2; ++side)
    if (begins(trap.answers[1 - side], trap.answers[side]))
      fail(ErrorKind::format, "{}: field 'answers': '{}' begins '{}' and would always be likelier",
           line.where(), answers[side], answers[1 - side]);
  return trap;
}

}  // namespace

std::vector<Trap> read_traps(std::istream& in, const std::string& source,
                             const PromptEncoder& prompts) {
  if (!prompts.tokenizer())
    fail(ErrorKind::argument, "{}: the model has no tokenizer, which traps need", source);
  LineReader lines(in, source);
  std::vector<Trap> traps;
  std::string text;
  while (lines.next(text))
    if (!text.empty()) traps.push_back(read_trap({text, lines.where()}, prompts));
  if (traps.empty()) fail(ErrorKind::format, "{}: no traps", source);
  return traps;
}

}  // namespace kvs
