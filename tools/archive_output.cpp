#include "tools/archive_output.h"

#include <unistd.h>

#include <filesystem>

#include "kvs/error.h"
#include "tools/terminal.h"

namespace kvs {

ArchiveWriter open_archive(const std::string& output, const ArchiveHeader& header,
                           const ArchiveOptions& options) {
  if (output != "-") return {std::filesystem::path(output), header, options};
  if (is_terminal(STDOUT_FILENO))
    fail(ErrorKind::argument, "standard output is a terminal, give -o FILE or a pipe");
  return {STDOUT_FILENO, "standard output", header, options};
}

}  // namespace kvs
