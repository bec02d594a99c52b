#include "tools/tool.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <new>
#include <system_error>

#include "kvs/error.h"
#include "tools/command_line.h"
#include "tools/output.h"

namespace kvs {
namespace {

// A standard stream that the caller closed would give its number to the next file opened, and words
// would be written into that file. Opened the wrong way round, each use of it is still an error.
void fill_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) == -1 && errno == EBADF)
      open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int failed(std::string_view message) {
  say(message);
  return kExitError;
}

// What the library says where it writes an archive to stdout and nobody reads it any more.
bool is_closed_pipe(const Error& error) {
  const std::string_view what = error.what();
  return error.kind() == ErrorKind::io && what.starts_with("standard output: ") &&
         what.ends_with(std::generic_category().message(EPIPE));
}

int guarded(const std::function<int()>& body) {
  try {
    const int code = body();
    flush_out();
    return interrupted() ? 128 + interrupted() : code;
  } catch (const Interrupted&) {
    return 128 + interrupted();
  } catch (const ClosedPipe&) {
    return kExitOk;
  } catch (const Error& e) {
    return is_closed_pipe(e) ? kExitOk : failed(e.what());
  } catch (const std::bad_alloc&) {
    return failed("out of memory");
  } catch (const std::system_error& e) {
    return e.code().value() == EPIPE ? kExitOk : failed(e.what());
  } catch (const std::exception& e) {
    return failed(fmt::format("internal error: {} (please report it)", e.what()));
  }
}

}  // namespace

int run_tool(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  fill_closed_streams();
  std::signal(SIGPIPE, SIG_IGN);
  catch_interrupts();
  set_messages(app.get_name(), Verbosity::normal);
  return guarded([&] {
    const std::optional<int> done = parse_command_line(app, argc, argv);
    return done ? *done : body();
  });
}

}  // namespace kvs
