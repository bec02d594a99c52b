#include "tools/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace kvs {

bool is_terminal(int file) {
  return isatty(file) == 1;
}

int terminal_columns(int file) {
  winsize size{};
  return ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool wants_colour(int file) {
  const char* refused = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  return is_terminal(file) && !(refused && *refused) && kind && std::string_view(kind) != "dumb";
}

Palette palette(bool colours) {
  if (!colours) return {};
  return {.red = "\033[31m",
          .green = "\033[32m",
          .yellow = "\033[33m",
          .blue = "\033[34m",
          .bold = "\033[1m",
          .faint = "\033[2m",
          .reset = "\033[0m"};
}

}  // namespace kvs
