#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kvs/archive.h"
#include "kvs/archive_reader.h"
#include "kvs/edit_script.h"
#include "kvs/export.h"

namespace kvs {

/// Leading rows of an archived prompt that were computed for its own text: those of records whose
/// ids say so (kvs-archive(5), "Ids"). Behind them stand holes or rows taken from other prompts,
/// which are no use to anybody else. `fingerprint` is that of the archive's header.
KVS_API int64_t own_rows(std::string_view fingerprint, const PromptRecord& prompt);

/// An archived prompt that another one is made from. What it points to must outlive the use.
struct ArchivedDonor {
  const ArchiveFile* archive = nullptr;
  size_t member = 0;  ///< of the archive, the one that holds the prompt
  const PromptRecord* prompt = nullptr;
};

/// Adds a prompt whose KV is its donors': what the script keeps or moves, and the rows that it lets
/// stand for other tokens, become spans that refer to the donors' records, copied once, and all
/// else becomes holes. `prompt.spans` is filled in; `script.source` counts `donors`. Only a
/// beginning in common with a donor stays exact. Throws Error(argument) where the script does not
/// make the prompt's tokens, or reaches beyond a donor; and what ArchiveWriter and
/// ArchiveFile::read_kv throw.
KVS_API void archive_edited(ArchiveWriter& writer, PromptRecord prompt, const EditScript& script,
                            std::span<const ArchivedDonor> donors);

}  // namespace kvs
