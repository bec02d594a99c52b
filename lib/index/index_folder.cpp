#include "index/index_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/output_file.h"
#include "kvs/error.h"
#include "kvs/hash.h"

namespace kvs {
namespace {

constexpr size_t kCopyBytes = 1 << 20;

[[noreturn]] void fail_errno(std::string_view subject) {
  fail(ErrorKind::io, "{}: {}", subject, std::strerror(errno));
}

// Returns the hash of what was copied.
Hash128 copy_all(int from, std::string_view source, OutputFile& to) {
  std::vector<std::byte> buffer(kCopyBytes);
  Hasher hasher;
  for (;;) {
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(source);
    if (got == 0) return hasher.digest();
    hasher.add(buffer.data(), got);
    to.write(std::span(buffer).first(got));
  }
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

FolderLock::FolderLock(const std::filesystem::path& folder)
    : file_(folder / "LOCK", O_RDWR | O_CREAT) {
  while (flock(file_.get(), LOCK_EX) != 0)
    if (errno != EINTR) fail_errno((folder / "LOCK").string());
}

CopiedFile copy_into(const std::filesystem::path& folder, std::string_view name, int descriptor,
                     std::string_view source) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::io, "{}: {}", folder.string(), error.message());
  // The final name holds the hash, which is known at the end.
  const std::filesystem::path part = folder / fmt::format("{}-{}.part", name, getpid());
  OutputFile file(part);
  const Hash128 hash = copy_all(descriptor, source, file);
  file.commit();
  CopiedFile copied{folder / fmt::format("{}-{}.kva", name, to_hex(hash).substr(0, 12))};
  copied.is_new = !std::filesystem::exists(copied.path, error);
  std::filesystem::rename(part, copied.path, error);
  if (error) fail(ErrorKind::io, "{}: {}", copied.path.string(), error.message());
  return copied;
}

}  // namespace kvs
