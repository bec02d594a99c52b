#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace kvs {

/// Reads lines from a terminal with editing and a history that outlives the program.
class LineEditor {
 public:
  /// Called while nobody types; returns whether there is more to do. Keys wait for a call to end.
  using WhileWaiting = std::function<bool()>;

  /// `history_file` is read now and written at the end; empty: no file.
  LineEditor(const std::string& program, std::string history_file, WhileWaiting work = {});
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// One line without its end; nothing at the end of input (Ctrl-D) or where a signal came.
  std::optional<std::string> read(const std::string& prompt);

  /// A whole message: lines that end in \ go on in the next one, and so does everything between
  /// lines of three double quotes. Nothing where its first line is nothing.
  std::optional<std::string> read_message(const std::string& prompt);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
