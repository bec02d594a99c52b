#include "tools/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <streambuf>

#include "kvs/error.h"
#include "tools/interrupt.h"
#include "tools/terminal.h"

namespace kvs {
namespace {

[[noreturn]] void fail_to_write(std::string_view name) {
  if (errno == EPIPE) throw ClosedPipe{};
  fail(ErrorKind::io, "{}: {}", name, std::strerror(errno));
}

bool is_special(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

}  // namespace

void write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    fail_to_write("standard output");
}

void write_line(std::string_view line) {
  write_out(line);
  write_out("\n");
  flush_out();
}

void flush_out() {
  if (std::fflush(stdout) != 0) fail_to_write("standard output");
}

// Gathers what is written and hands it to the file in large pieces.
class Output::Buffer : public std::streambuf {
 public:
  Buffer(std::string name, int file) : name_(std::move(name)), file_(file) {
    setp(bytes_.data(), bytes_.data() + bytes_.size());
  }
  ~Buffer() override {
    if (file_ > STDERR_FILENO) ::close(file_);
  }

  void save() {
    sync();
    if (fsync(file_) != 0 && errno != EINVAL && errno != EROFS) fail_to_write(name_);
  }

 protected:
  int_type overflow(int_type c) override {
    sync();
    if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
    return traits_type::not_eof(c);
  }

  int sync() override {
    const char* from = pbase();
    while (from < pptr()) {
      const ssize_t written = ::write(file_, from, static_cast<size_t>(pptr() - from));
      if (written < 0 && errno != EINTR) fail_to_write(name_);
      if (written > 0) from += written;
    }
    setp(bytes_.data(), bytes_.data() + bytes_.size());
    return 0;
  }

 private:
  std::string name_;
  int file_;
  std::array<char, 1 << 16> bytes_;
};

Output::Output(std::string path, Content content) : path_(std::move(path)) {
  int file = STDOUT_FILENO;
  if (path_ == "-") {
    flush_out();
    path_ = "standard output";
    if (content == Content::binary && is_terminal(STDOUT_FILENO))
      fail(ErrorKind::argument, "will not write binary data to a terminal: use -o FILE or a pipe");
  } else {
    if (!is_special(path_)) temporary_ = path_ + ".part";
    const std::string& name = temporary_.empty() ? path_ : temporary_;
    file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) fail_to_write(path_);
  }
  buffer_ = std::make_unique<Buffer>(path_, file);
  stream_ = std::make_unique<std::ostream>(buffer_.get());
  stream_->exceptions(std::ios::badbit);  // lets the buffer's own exceptions through
}

Output::~Output() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

std::ostream& Output::stream() {
  return *stream_;
}

void Output::commit() {
  stream_->flush();
  if (temporary_.empty()) return;
  buffer_->save();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail_to_write(path_);
  temporary_.clear();
}

void write_file(const std::string& path, std::string_view text) {
  Output output(path, Content::text);
  output.stream() << text;
  output.commit();
}

}  // namespace kvs
