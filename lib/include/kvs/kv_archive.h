#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "kvs/archive.h"
#include "kvs/archive_reader.h"
#include "kvs/export.h"
#include "kvs/kv_view.h"

namespace kvs {

class ThreadPool;

/// Adds a prompt and its KV to an archive: the exact rows of `view`, in records of 64 tokens, those
/// that the archive does not hold yet. `prompt.spans` is filled in; tokens behind the exact rows
/// become a hole. With a lossy codec
/// the rows are approximate in the archive. Throws what ArchiveWriter throws.
KVS_API void archive_prompt(ArchiveWriter& writer, std::string_view fingerprint, const KvPool& pool,
                            const KvView& view, PromptRecord prompt, KvCodec codec);

/// Brings archived rows into a pool. Records that several prompts share are loaded once.
class KVS_API ArchivedRows {
 public:
  /// `threads` read and decode; 0: as many as this process may use.
  explicit ArchivedRows(KvPool& pool, int threads = 0);
  ~ArchivedRows();

  /// The leading rows of the prompt, up to its first hole. `member` is the archive's member that
  /// holds the prompt. Throws Error(mismatch) where the member's layout is not the pool's,
  /// Error(format) where the archive is damaged, Error(device) where the pool is full.
  KvView load(const ArchiveFile& archive, size_t member, const PromptRecord& prompt);

  /// Forgets which records are loaded; their rows stay as long as a view refers to them.
  void forget() { records_.clear(); }

 private:
  void load_records(const ArchiveFile& archive, size_t member, const PromptRecord& prompt);
  void upload(const KvRecord& record);

  KvPool& pool_;
  std::unique_ptr<ThreadPool> threads_;
  std::unordered_map<Hash128, KvView> records_;
};

}  // namespace kvs
