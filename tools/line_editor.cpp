#include "tools/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <filesystem>
#include <system_error>

#include "tools/interrupt.h"

namespace kvs {
namespace {

constexpr int kHistoryEntries = 1000;
constexpr std::string_view kQuotes = "\"\"\"";

bool key_waits() {
  pollfd waiting{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) != 0;
}

// As libedit's own reader: 1, or 0 at the end of input, or -1 where a signal came.
int read_character(wchar_t* character) {
  std::mbstate_t shift{};
  for (char byte = 0;;) {
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count <= 0) return static_cast<int>(count);
    const size_t length = std::mbrtowc(character, &byte, 1, &shift);
    if (length <= 1) return 1;
    if (length == static_cast<size_t>(-1)) shift = {};  // no character: dropped
  }
}

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string history_file;
  std::string prompt;
  WhileWaiting work;

  // Works until a key comes.
  static int next_character(EditLine* editor, wchar_t* character) {
    State* state = nullptr;
    el_get(editor, EL_CLIENTDATA, &state);
    while (interrupted() == 0 && !key_waits() && state->work()) {
    }
    if (interrupted() == 0) return read_character(character);
    errno = EINTR;
    return -1;
  }

  static const char* show_prompt(EditLine* editor) {
    State* state = nullptr;
    el_get(editor, EL_CLIENTDATA, &state);
    return state->prompt.c_str();
  }
};

LineEditor::LineEditor(const std::string& program, std::string history_file, WhileWaiting work)
    : state_(std::make_unique<State>()) {
  std::setlocale(LC_CTYPE, "");  // how wide a character is
  State& state = *state_;
  state.history_file = std::move(history_file);
  state.editor = el_init(program.c_str(), stdin, stdout, stderr);
  state.history = history_init();
  history(state.history, &state.event, H_SETSIZE, kHistoryEntries);
  if (!state.history_file.empty())
    history(state.history, &state.event, H_LOAD, state.history_file.c_str());
  el_set(state.editor, EL_CLIENTDATA, &state);
  el_set(state.editor, EL_PROMPT, &State::show_prompt);
  state.work = std::move(work);
  if (state.work) el_set(state.editor, EL_GETCFN, &State::next_character);
  el_set(state.editor, EL_EDITOR, "emacs");
  el_set(state.editor, EL_HIST, history, state.history);
  el_source(state.editor, nullptr);  // the user's ~/.editrc
}

LineEditor::~LineEditor() {
  State& state = *state_;
  if (!state.history_file.empty()) {
    std::error_code ignored;  // a history that cannot be kept is no reason to fail
    std::filesystem::create_directories(std::filesystem::path(state.history_file).parent_path(),
                                        ignored);
    history(state.history, &state.event, H_SAVE, state.history_file.c_str());
  }
  el_end(state.editor);
  history_end(state.history);
}

std::optional<std::string> LineEditor::read(const std::string& prompt) {
  State& state = *state_;
  state.prompt = prompt;
  el_set(state.editor, EL_PREP_TERM, 1);  // before the prompt shows: keys typed earlier may be lost
  int count = 0;
  const char* text = el_gets(state.editor, &count);
  if (!text || count <= 0) return std::nullopt;
  std::string line(text, count);
  if (line.ends_with('\n')) line.pop_back();
  if (!line.empty()) history(state.history, &state.event, H_ENTER, line.c_str());
  return line;
}

std::optional<std::string> LineEditor::read_message(const std::string& prompt) {
  const std::string more = "… ";
  std::optional<std::string> line = read(prompt);
  if (!line) return std::nullopt;

  if (*line == kQuotes) {
    std::string message;
    while ((line = read(more)) && *line != kQuotes)
      message += (message.empty() ? "" : "\n") + *line;
    return message;
  }
  std::string message;
  while (line && line->ends_with('\\')) {
    line->back() = '\n';
    message += *line;
    line = read(more);
  }
  return message + line.value_or("");
}

}  // namespace kvs
