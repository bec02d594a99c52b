#include "tools/input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <streambuf>

#include "kvs/error.h"
#include "tools/interrupt.h"
#include "tools/terminal.h"

namespace kvs {
namespace {

constexpr int kLookForSignalsMs = 200;

int open_for_reading(const std::string& path) {
  if (path == "-") {
    if (is_terminal(STDIN_FILENO))
      fail(ErrorKind::argument, "no input: name a FILE, or pipe text to standard input");
    return STDIN_FILENO;
  }
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(ErrorKind::io, "{}: {}", path, std::strerror(errno));
  return file;
}

}  // namespace

// A std::filebuf would go on waiting when a signal comes; this one looks up.
class Input::Buffer : public std::streambuf {
 public:
  Buffer(std::string name, int file) : name_(std::move(name)), file_(file) {}
  ~Buffer() override {
    if (file_ != STDIN_FILENO) ::close(file_);
  }

  bool ready() {
    pollfd waiting{.fd = file_, .events = POLLIN, .revents = 0};
    return in_avail() > 0 || ::poll(&waiting, 1, 0) != 0;
  }

 protected:
  int_type underflow() override {
    ssize_t count = 0;
    do {
      wait();
      count = ::read(file_, bytes_.data(), bytes_.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0) fail(ErrorKind::io, "{}: {}", name_, std::strerror(errno));
    if (count == 0) return traits_type::eof();
    setg(bytes_.data(), bytes_.data(), bytes_.data() + count);
    return traits_type::to_int_type(bytes_[0]);
  }

 private:
  void wait() {
    pollfd waiting{.fd = file_, .events = POLLIN, .revents = 0};
    do {
      check_interrupt();
    } while (::poll(&waiting, 1, kLookForSignalsMs) <= 0);
  }

  std::string name_;
  int file_;
  std::array<char, 1 << 16> bytes_;
};

Input::Input(const std::string& path) : name_(path == "-" ? "standard input" : path) {
  buffer_ = std::make_unique<Buffer>(name_, open_for_reading(path));
  stream_ = std::make_unique<std::istream>(buffer_.get());
  stream_->exceptions(std::ios::badbit);  // lets the buffer's own exceptions through
  stream_->peek();                        // a directory opens; only reading it fails
}

Input::~Input() = default;
Input::Input(Input&&) noexcept = default;

bool Input::ready() const {
  return buffer_->ready();
}

std::vector<std::string> files_or_stdin(std::vector<std::string> files) {
  if (files.empty()) files.emplace_back("-");
  return files;
}

}  // namespace kvs
