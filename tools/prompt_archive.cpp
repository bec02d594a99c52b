#include "tools/prompt_archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "kvs/archive_reader.h"
#include "kvs/error.h"
#include "tools/archive_output.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

void check(bool good, const fs::path& path, const std::string& reason) {
  if (!good) fail(ErrorKind::io, "{}: {}", path.string(), reason);
}

Hash128 hash_of(const PromptRecord& prompt) {
  Hasher hasher;
  for (const std::string& text : {prompt.id, prompt.tenant})
    hasher.add_value(text.size()).add(text);
  return hasher.add(std::span<const int32_t>(prompt.tokens)).digest();
}

}  // namespace

ExtendedFile::ExtendedFile(const fs::path& path) : path_(fs::canonical(path)) {
  std::string name = path_.string() + ".XXXXXX";
  const int made = mkstemp(name.data());
  check(made >= 0, path_, std::strerror(errno));
  close(made);
  temporary_ = name;
  std::error_code error;
  fs::copy_file(path_, temporary_, fs::copy_options::overwrite_existing, error);
  if (!error) fs::permissions(temporary_, fs::status(path_).permissions(), error);
  descriptor_ = error ? -1 : open(name.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  const std::string reason = error ? error.message() : std::strerror(errno);
  if (descriptor_ < 0) unlink(name.c_str());
  check(descriptor_ >= 0, path_, reason);
}

ExtendedFile::~ExtendedFile() {
  close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void ExtendedFile::commit() {
  check(fsync(descriptor_) == 0, path_, std::strerror(errno));
  check(rename(temporary_.c_str(), path_.c_str()) == 0, path_, std::strerror(errno));
  temporary_.clear();
}

PromptArchive::PromptArchive(const PromptArchiveOptions& options, const ArchiveHeader& header) {
  const auto& [path, embedder, resume, threads] = options;
  if (resume && path == "-") fail(ErrorKind::argument, "--resume needs a file: give -o ARCHIVE");
  if (resume && fs::exists(path)) {
    read_finished(path, header, embedder);
    extended_.emplace(path);
    writer_.emplace(extended_->descriptor(), path, header, ArchiveOptions{.threads = threads});
  } else {
    writer_.emplace(open_archive(path, header, {.threads = threads}));
  }
}

void PromptArchive::read_finished(const std::string& path, const ArchiveHeader& header,
                                  const std::string& embedder) {
  const ArchiveFile archive(path);
  for (const ArchiveMember& member : archive.members()) {
    if ((member.header.layout.layers > 0) != (header.layout.layers > 0))
      fail(ErrorKind::mismatch, "{}: was made {} --kv, this run is {} it", path,
           member.header.layout.layers > 0 ? "with" : "without",
           header.layout.layers > 0 ? "with" : "without");
    require_same_model(member.header, header, path);
  }
  for (size_t i = 0; i < archive.prompt_count(); ++i) {
    const PromptRecord prompt = archive.read_prompt(i);
    if (!prompt.embedder.empty() && prompt.embedder != embedder)
      fail(ErrorKind::mismatch, "{}: has embeddings of '{}', the embedder in use is '{}'", path,
           prompt.embedder, embedder);
    finished_.insert(hash_of(prompt));
  }
}

bool PromptArchive::has(const PromptRecord& prompt) const {
  return finished_.contains(hash_of(prompt));
}

void PromptArchive::commit() {
  writer_->finish();
  if (extended_) extended_->commit();
}

}  // namespace kvs
