#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/output_file.h"
#include "engine/blob_store.h"
#include "kvs/error.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBlob = int64_t{1} << 31;
constexpr int64_t kDiskBlock = 4096;
constexpr const char* kRows = "rows-";
constexpr const char* kPrompt = "prompt-";

int64_t on_disk(int64_t bytes) {
  return (bytes + kDiskBlock - 1) / kDiskBlock * kDiskBlock;
}

[[noreturn]] void fail_errno(const fs::path& path) {
  fail(ErrorKind::io, "{}: {}", path.string(), std::generic_category().message(errno));
}

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags)
      : descriptor_(open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::optional<BlobName> parse_name(const std::string& folder, const std::string& file) {
  const auto group = parse_hash(folder);
  if (!group || !file.ends_with(".kva")) return std::nullopt;
  const std::string stem = file.substr(0, file.size() - 4);
  for (const auto& [kind, prefix] :
       {std::pair{BlobName::Kind::rows, kRows}, std::pair{BlobName::Kind::prompt, kPrompt}})
    if (const auto id = stem.starts_with(prefix)
                            ? parse_hash(std::string_view(stem).substr(std::string(prefix).size()))
                            : std::nullopt)
      return BlobName{.kind = kind, .group = *group, .id = *id};
  return std::nullopt;
}

// FOLDER/GROUP/rows-ID.kva and prompt-ID.kva. What OutputFile leaves behind where the process is
// killed ends in ".part".
class FolderBlobs final : public BlobStore {
 public:
  explicit FolderBlobs(const std::string& folder)
      : name_(folder), folder_(folder), lock_(made(folder) / "LOCK", O_RDWR | O_CREAT) {
    if (lock_.get() < 0) fail_errno(folder_ / "LOCK");
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return;
    if (errno != EWOULDBLOCK) fail_errno(folder_ / "LOCK");
    fail(ErrorKind::io, "{}: another process uses it", name_);
  }

  const std::string& name() const override { return name_; }
  bool exclusive() const override { return true; }

  int64_t put(const BlobName& name, std::span<const std::byte> bytes) override {
    const fs::path path = path_of(name);
    try {
      const std::unique_ptr<OutputFile> file = begun(path);
      file->write(bytes);
      file->commit();
    } catch (const Error&) {
      remove_if_empty(path.parent_path());
      throw;
    }
    return on_disk(std::ssize(bytes));
  }

  std::optional<Bytes> get(const BlobName& name) override {
    const fs::path path = path_of(name);
    const Descriptor file(path, O_RDONLY);
    if (file.get() < 0 && errno == ENOENT) return std::nullopt;
    if (file.get() < 0) fail_errno(path);
    struct stat status {};
    if (fstat(file.get(), &status) != 0) fail_errno(path);
    if (!S_ISREG(status.st_mode) || status.st_size > kMaxBlob)
      fail(ErrorKind::format, "{}: {} bytes are no blob", path.string(), status.st_size);
    return read(file, path, status.st_size);
  }

  void remove(const BlobName& name) override {
    const fs::path path = path_of(name);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) fail_errno(path);
    remove_if_empty(path.parent_path());
  }

  std::vector<Blob> news(const Complain& complain) override {
    std::vector<File> files;
    if (listed_) return {};
    try {
      for (const fs::directory_entry& group : fs::directory_iterator(folder_))
        list_group(group.path(), files, complain);
    } catch (const fs::filesystem_error& e) {
      fail(ErrorKind::io, "{}: {}", name_, e.code().message());
    }
    listed_ = true;
    std::ranges::sort(files, {}, &File::written_ns);
    std::vector<Blob> all;
    all.reserve(files.size());
    for (const File& file : files) all.push_back(file.blob);
    return all;
  }

 private:
  struct File {
    Blob blob;
    int64_t written_ns = 0;
  };

  static fs::path made(const std::string& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) fail(ErrorKind::io, "{}: {}", folder, error.message());
    return folder;
  }

  static Error error_at(const fs::path& path, const std::error_code& error) {
    return {ErrorKind::io, fmt::format("{}: {}", path.string(), error.message())};
  }

  void list_group(const fs::path& group, std::vector<File>& all, const Complain& complain) {
    std::error_code ignored;
    if (!parse_hash(group.filename().string()) || !fs::is_directory(group, ignored)) return;
    try {
      list(group, all, complain);
    } catch (const fs::filesystem_error& e) {
      if (e.code() != std::errc::no_such_file_or_directory) complain(error_at(group, e.code()));
    }
    remove_if_empty(group);  // where a process was killed
  }

  // The file keeps its folder from then on.
  std::unique_ptr<OutputFile> begun(const fs::path& path) {
    const std::lock_guard lock(groups_);
    std::error_code ignored;
    fs::create_directory(path.parent_path(), ignored);  // else the file says what is wrong
    return std::make_unique<OutputFile>(path);
  }

  // Clients name groups as they like (cache_salt): empty folders would pile up.
  void remove_if_empty(const fs::path& group) {
    const std::lock_guard lock(groups_);
    rmdir(group.c_str());  // which says no where something is in it, or it is gone
  }

  fs::path path_of(const BlobName& name) const {
    const bool rows = name.kind == BlobName::Kind::rows;
    return folder_ / to_hex(name.group) / ((rows ? kRows : kPrompt) + to_hex(name.id) + ".kva");
  }

  static Bytes read(const Descriptor& file, const fs::path& path, int64_t size) {
    Bytes bytes(size);
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_errno(path);
      if (got == 0) bytes.resize(done);  // it has been cut off meanwhile
      done += static_cast<size_t>(got);
    }
    return bytes;
  }

  // What is removed meanwhile is passed over.
  void list(const fs::path& group, std::vector<File>& all, const Complain& complain) const {
    for (const fs::directory_entry& file : fs::directory_iterator(group)) {
      const std::string name = file.path().filename().string();
      struct stat status {};
      if (stat(file.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
      const int64_t written = nanoseconds(status.st_mtim);
      std::error_code error;
      if (name.ends_with(".part") && written <= opened_ns_) fs::remove(file.path(), error);
      if (error) complain(error_at(file.path(), error));
      if (const auto blob = parse_name(group.filename().string(), name))
        all.push_back({.blob = {*blob, on_disk(status.st_size)}, .written_ns = written});
    }
  }

  std::string name_;
  fs::path folder_;
  Descriptor lock_;
  std::mutex groups_;  // none goes while a file in it is begun
  bool listed_ = false;
  int64_t opened_ns_ = now_ns();  // what is half written and older is nobody's
};

}  // namespace

std::unique_ptr<BlobStore> open_folder_blobs(const std::string& folder) {
  return std::make_unique<FolderBlobs>(folder);
}

}  // namespace kvs
