#pragma once

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvs/archive.h"
#include "kvs/export.h"

namespace kvs {

/// A record and where its frame lies in the archive, in bytes from its start.
struct ArchiveItem {
  int64_t offset = 0;
  int64_t bytes = 0;
  ArchiveRecord record;
  std::span<const std::byte> frame{};  ///< these bytes; valid until the reader is used again
};

struct ArchiveReadOptions {
  bool decode_kv =
      true;  ///< false: KvRecords come without layers (frames are verified all the same)
  HostAllocator memory{};  ///< for rows, and while they are read; none: the heap
};

/// Reads an archive from front to back, a pipe as well as a file. Verifies every frame, every rule
/// of the format, the hash of every member and its table. Not thread-safe.
///
/// Damage is an Error(format) "NAME: damaged at byte N: REASON", thrown after every whole record
/// before it was returned; also where the archive ends early. Error(mismatch): a version or a codec
/// that this library does not know. Error(io): it cannot be read. After an Error the reader is at
/// its end.
class KVS_API ArchiveReader {
 public:
  explicit ArchiveReader(const std::filesystem::path& path, const ArchiveReadOptions& options = {});
  /// From an open descriptor, which stays open; `name` stands for it in messages.
  ArchiveReader(int descriptor, std::string name, const ArchiveReadOptions& options = {});
  /// From a binary stream, which must outlive the reader; what its buffer throws goes through.
  ArchiveReader(std::istream& stream, std::string name, const ArchiveReadOptions& options = {});
  /// From an archive in memory, which must outlive the reader.
  ArchiveReader(std::span<const std::byte> bytes, std::string name,
                const ArchiveReadOptions& options = {});
  ~ArchiveReader();
  ArchiveReader(ArchiveReader&&) noexcept;

  /// The next record; nothing after the last member.
  std::optional<ArchiveItem> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Where a KvRecord is.
struct KvPlace {
  int64_t offset = 0;  ///< of its frame
  int64_t bytes = 0;   ///< of its frame
  int64_t home = 0;
  int32_t count = 0;
  bool exact = false;
};

struct ArchiveMember {
  ArchiveHeader header;
  int64_t offset = 0;
  int64_t bytes = 0;
  int64_t kv = 0;       ///< kv records
  int64_t prompts = 0;  ///< prompt records
  bool table = false;   ///< it was opened through its table
};

/// An archive file of which any record can be read. Opens through the members' tables, walking
/// backwards from the end of the file; what lies before a member without a whole table is scanned
/// once. Reading is thread-safe. Errors are those of ArchiveReader; opening throws where a scan
/// meets damage. A record read is verified by its own frame and against the table.
class KVS_API ArchiveFile {
 public:
  explicit ArchiveFile(const std::filesystem::path& path);
  ~ArchiveFile();
  ArchiveFile(ArchiveFile&&) noexcept;

  const std::vector<ArchiveMember>& members() const;

  /// Prompts of all members, in the order of the file.
  size_t prompt_count() const;
  size_t prompt_member(size_t prompt) const;  ///< index into members()
  PromptRecord read_prompt(size_t prompt) const;

  /// Ids of a member's kv records, in the order of the file.
  std::vector<Hash128> kv_ids(size_t member) const;
  std::optional<KvPlace> find_kv(size_t member, const Hash128& id) const;
  /// Throws Error(argument) where the member has no such record. `memory`: for its rows, save those
  /// of the codec raw, which stay in the frame.
  KvRecord read_kv(size_t member, const Hash128& id, const HostAllocator& memory = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
