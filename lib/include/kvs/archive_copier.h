#pragma once

#include <memory>

#include "kvs/archive_reader.h"
#include "kvs/export.h"

namespace kvs {

/// Copies prompts from archives to others, each with the KV records that it refers to, as they are:
/// nothing is decoded or compressed again. Takes the items of readers in order. The frames of KV
/// records wait in an unnamed temporary file, so that an archive may come by a pipe and prompts may
/// go to several archives.
class KVS_API ArchiveCopier {
 public:
  /// Throws Error(io) where there is no room for temporary files.
  ArchiveCopier();
  ~ArchiveCopier();
  ArchiveCopier(ArchiveCopier&&) noexcept;

  /// Remembers a KV record; a header forgets those of the member before. Other items do nothing.
  /// Throws Error(io).
  void take(const ArchiveItem& item);

  /// Copies a prompt of the member whose records were taken, and those of its records that `writer`
  /// does not have. `item` holds a PromptRecord. Throws what ArchiveWriter throws.
  void copy(const ArchiveItem& item, ArchiveWriter& writer);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
