#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "kvs/archive.h"
#include "kvs/hash.h"

namespace kvs {

/// A copy of a file that is extended and then takes its place. Destroyed without commit(), nothing
/// stays of it. Every error is an Error(io) that names the file.
class ExtendedFile {
 public:
  explicit ExtendedFile(const std::filesystem::path& path);
  ~ExtendedFile();
  ExtendedFile(const ExtendedFile&) = delete;
  ExtendedFile& operator=(const ExtendedFile&) = delete;

  int descriptor() const { return descriptor_; }  ///< at the end of the copy
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

struct PromptArchiveOptions {
  std::string path;      ///< "-" for standard output, unless that is a terminal
  std::string embedder;  ///< its name
  bool resume = false;   ///< a `path` that exists is kept and extended
  int threads = 0;       ///< that compress; 0: as many as this process may use
};

/// The archive that a run of kvs-embed writes: a new one, or (`resume`) a further member of one
/// that an earlier run began.
class PromptArchive {
 public:
  /// Throws Error(mismatch) where an archive to be extended is of another model or embedder.
  PromptArchive(const PromptArchiveOptions& options, const ArchiveHeader& header);

  /// Whether an earlier run has finished the prompt: same id, tenant and tokens.
  bool has(const PromptRecord& prompt) const;
  int64_t finished() const { return static_cast<int64_t>(finished_.size()); }

  ArchiveWriter& writer() { return *writer_; }
  void commit();

 private:
  void read_finished(const std::string& path, const ArchiveHeader& header,
                     const std::string& embedder);

  std::unordered_set<Hash128> finished_;
  std::optional<ExtendedFile> extended_;
  std::optional<ArchiveWriter> writer_;
};

}  // namespace kvs
