#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "kvs/archive.h"
#include "kvs/archive_reader.h"
#include "kvs/error.h"
#include "kvs/export.h"
#include "kvs/kv_view.h"

namespace kvs {

class ThreadPool;

/// Puts prompts and their KV into an archive. Text that a prompt has in common with an earlier one,
/// from the start on, is stored once: rows go into records of 64 tokens, shorter where two prompts
/// part. Compresses and writes in a thread of its own, while the next prompt is computed; what
/// waits for it is bounded. Until finish() the writer is this object's alone. Not thread-safe.
class KVS_API KvArchiver {
 public:
  /// `writer` must outlive this object. With a lossy codec rows are approximate in the archive.
  KvArchiver(ArchiveWriter& writer, std::string fingerprint, KvCodec codec);
  /// Leaves out what is not written yet.
  ~KvArchiver();
  KvArchiver(const KvArchiver&) = delete;
  KvArchiver& operator=(const KvArchiver&) = delete;

  /// Takes a copy of the exact rows of `view`, those that no earlier prompt brought; tokens behind
  /// them become a hole. `prompt.spans` is filled in. Waits where too much waits to be written.
  void add(const KvPool& pool, const KvView& view, PromptRecord prompt);

  /// Why prompts are not in the archive, an Error each, since the last call: what ArchiveWriter
  /// threw. After an Error(io) nothing more is written.
  std::vector<Error> take_errors();

  /// Waits until all is written; then what take_errors() returns.
  [[nodiscard]] std::vector<Error> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Rows of a prompt that stood together where they were computed.
struct ArchivedPiece {
  int64_t first = 0;            ///< position in the prompt
  KvView rows;                  ///< at least one
  std::vector<int32_t> tokens;  ///< that they were computed for, mostly the prompt's
};

/// Brings archived rows into a pool. Records that several prompts share are loaded once.
class KVS_API ArchivedRows {
 public:
  /// `threads` read and decode; 0: as many as this process may use.
  explicit ArchivedRows(KvPool& pool, int threads = 0);
  ~ArchivedRows();

  /// The prompt's own rows (see own_rows()). `member` is the archive's member that holds the
  /// prompt. Throws Error(mismatch) where the member's layout is not the pool's, Error(format)
  /// where the archive is damaged, Error(memory) where the pool is full.
  KvView load(const ArchiveFile& archive, size_t member, const PromptRecord& prompt);

  /// All rows that the archive has for the prompt, ascending. Throws what load() throws.
  std::vector<ArchivedPiece> load_pieces(const ArchiveFile& archive, size_t member,
                                         const PromptRecord& prompt);

  /// Forgets which records are loaded; their rows stay as long as a view refers to them.
  void forget() { records_.clear(); }

 private:
  struct Record {
    Hash128 parent;
    KvView rows;
    std::vector<int32_t> tokens;
  };
  void load_records(const ArchiveFile& archive, size_t member, std::span<const PromptSpan> spans);
  void upload(const KvRecord& record);
  bool goes_on(const PromptSpan& last, const PromptSpan& next) const;
  void expect_layout(const KvLayout& layout) const;

  KvPool& pool_;
  std::unique_ptr<ThreadPool> threads_;
  std::unordered_map<Hash128, Record> records_;
};

}  // namespace kvs
