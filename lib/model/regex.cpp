#include "model/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/printable.h"
#include "base/utf8.h"
#include "kvs/error.h"
#include "model/regex_dialect.h"

namespace kvs {
namespace {

constexpr uint32_t kMatchLimit = 200'000'000;
constexpr size_t kJitStackBytes = size_t{64} << 20;

PCRE2_SPTR as_pcre(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.empty() ? "" : text.data());
}

std::string error_text(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct RegexScratch::State {
  State() {
    if (match && context) pcre2_set_match_limit(context, kMatchLimit);
  }
  ~State() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    if (stack) pcre2_jit_stack_free(stack);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // The machine stack is enough for almost every text.
  void grow_stack() {
    stack = pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr);
    if (!stack) throw std::bad_alloc();
    pcre2_jit_stack_assign(context, nullptr, stack);
  }

  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = nullptr;
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {
  if (!state_->match || !state_->context) throw std::bad_alloc();
}
RegexScratch::~RegexScratch() = default;
RegexScratch::RegexScratch(RegexScratch&&) noexcept = default;
RegexScratch& RegexScratch::operator=(RegexScratch&&) noexcept = default;

struct Regex::Code {
  ~Code() { pcre2_code_free(pcre); }

  // True where something was found; its place is in the scratch then.
  bool find(std::string_view text, size_t from, RegexScratch::State& scratch) const {
    int result = match(text, from, scratch, 0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && !scratch.stack) {
      scratch.grow_stack();
      result = match(text, from, scratch, 0);
    }
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(text, from, scratch, PCRE2_NO_JIT);
    if (result < 0 && result != PCRE2_ERROR_NOMATCH)
      fail(ErrorKind::argument, "text: pattern '{}' gives up at byte {}: {}",
           printable(pattern, 200), from, error_text(result));
    return result >= 0;
  }

  int match(std::string_view text, size_t from, RegexScratch::State& scratch,
            uint32_t options) const {
    return pcre2_match(pcre, as_pcre(text), text.size(), from, options | PCRE2_NO_UTF_CHECK,
                       scratch.match, scratch.context);
  }

  std::string pattern;
  pcre2_code* pcre = nullptr;
};

Regex::Regex(std::string_view ruby_pattern, std::string_view subject)
    : code_(std::make_unique<Code>()) {
  code_->pattern = ruby_pattern;
  const std::string pattern = pcre2_pattern(ruby_pattern, subject);
  int error = 0;
  size_t offset = 0;
  code_->pcre = pcre2_compile(as_pcre(pattern), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                              &error, &offset, nullptr);
  if (!code_->pcre)
    fail(ErrorKind::format, "{}: pattern '{}' is not valid: {}", subject,
         printable(ruby_pattern, 200), error_text(error));
  pcre2_jit_compile(code_->pcre, PCRE2_JIT_COMPLETE);  // without it, matching is only slower
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

void Regex::find_all(std::string_view text, RegexScratch& scratch,
                     std::vector<TextRange>& matches) const {
  matches.clear();
  const size_t* place = pcre2_get_ovector_pointer(scratch.state_->match);
  size_t from = 0;
  size_t previous_end = std::string_view::npos;
  while (from <= text.size() && code_->find(text, from, *scratch.state_)) {
    const TextRange match{place[0], place[1]};
    if (match.size() > 0 || match.begin != previous_end) matches.push_back(match);
    previous_end = match.end;
    from = match.end;
    if (match.size() == 0)
      from += from < text.size() ? static_cast<size_t>(code_point_at(text, from).bytes) : 1;
  }
}

}  // namespace kvs
