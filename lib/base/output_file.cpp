#include "base/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxWrite = size_t{1} << 30;  // below what write(2) accepts at once

[[noreturn]] void fail_io(const std::string& name, const char* what, int error) {
  fail(ErrorKind::io, "{}: cannot {}: {}", name, what, std::generic_category().message(error));
}

bool is_special(const fs::path& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

// The rename itself is durable only once its folder is.
void sync_folder(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

OutputFile::OutputFile(const fs::path& path) : name_(path.string()), owned_(true) {
  if (is_special(path))
    descriptor_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  else
    create_beside(path);
  if (descriptor_ < 0) fail_io(name_, "open", errno);
}

OutputFile::OutputFile(int descriptor, std::string name)
    : name_(std::move(name)), descriptor_(descriptor) {}

OutputFile::~OutputFile() {
  discard();
}

void OutputFile::create_beside(const fs::path& path) {
  std::error_code ignored;
  target_ = fs::is_symlink(path, ignored) ? fs::weakly_canonical(path, ignored) : path;
  if (target_.empty()) target_ = path;
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    temporary_ = fmt::format("{}.{}-{}.part", target_.string(), getpid(), attempt);
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0 || errno == EEXIST) continue;
    temporary_.clear();
    fail_io(name_, "create", errno);
  }
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kMaxWrite));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_io(name_, "write", errno);
    bytes = bytes.subspan(static_cast<size_t>(done));
    size_ += done;
  }
}

void OutputFile::commit() {
  if (!owned_) return;
  if (!temporary_.empty() && fsync(descriptor_) != 0) fail_io(name_, "write", errno);
  if (close(std::exchange(descriptor_, -1)) != 0) fail_io(name_, "write", errno);
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail_io(name_, "create", errno);
  temporary_.clear();
  sync_folder(target_);
}

void OutputFile::discard() noexcept {
  if (owned_ && descriptor_ >= 0) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

}  // namespace kvs
