#pragma once

#include <string_view>

namespace kvs {

bool is_terminal(int file);

/// The width of the terminal `file`; 80 where it does not say.
int terminal_columns(int file);

/// True where `file` is a terminal that understands colours and NO_COLOR is not set (no-color.org).
bool wants_colour(int file);

/// Escape sequences, all empty where colours are not wanted.
struct Palette {
  std::string_view red, green, yellow, blue, bold, faint, reset;
};
Palette palette(bool colours);

}  // namespace kvs
