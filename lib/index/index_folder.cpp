#include "index/index_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/output_file.h"
#include "kvs/error.h"
#include "kvs/hash.h"

namespace kvs {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
constexpr std::chrono::milliseconds kLockPause{5};

[[noreturn]] void fail_errno(std::string_view subject) {
  fail(ErrorKind::io, "{}: {}", subject, std::strerror(errno));
}

// Returns the hash of what was copied.
Hash128 copy_all(const ReadBytes& read, OutputFile& to) {
  std::vector<std::byte> buffer(kCopyBytes);
  Hasher hasher;
  while (const size_t got = read(buffer)) {
    hasher.add(buffer.data(), got);
    to.write(std::span(buffer).first(got));
  }
  return hasher.digest();
}

}  // namespace

FileHandle::FileHandle(const std::filesystem::path& path, int flags)
    : descriptor_(open(path.c_str(), flags | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail_errno(path.string());
}

FileHandle::~FileHandle() {
  if (descriptor_ >= 0) close(descriptor_);
}

FileHandle::FileHandle(FileHandle&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock::FolderLock(const std::filesystem::path& folder, const std::function<void()>& on_wait)
    : file_(folder / "LOCK", O_RDWR | O_CREAT) {
  while (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) fail_errno((folder / "LOCK").string());
    if (on_wait) on_wait();
    std::this_thread::sleep_for(kLockPause);
  }
}

ReadBytes bytes_of(const FileHandle& file, const std::string& name) {
  return [&](std::span<std::byte> buffer) {
    for (;;) {
      const ssize_t got = read(file.get(), buffer.data(), buffer.size());
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) fail_errno(name);
    }
  };
}

CopiedFile copy_into(const std::filesystem::path& folder, std::string_view name,
                     const ReadBytes& read) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::io, "{}: {}", folder.string(), error.message());
  // The final name holds the hash, which is known at the end.
  const std::filesystem::path part = folder / fmt::format("{}-{}.part", name, getpid());
  OutputFile file(part);
  const Hash128 hash = copy_all(read, file);
  file.commit();
  CopiedFile copied{folder / fmt::format("{}-{}.kva", name, to_hex(hash).substr(0, 12))};
  copied.is_new = !std::filesystem::exists(copied.path, error);
  std::filesystem::rename(part, copied.path, error);
  if (error) fail(ErrorKind::io, "{}: {}", copied.path.string(), error.message());
  return copied;
}

}  // namespace kvs
