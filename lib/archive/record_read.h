#pragma once

#include "archive/zstd_frame.h"
#include "kvs/archive.h"

namespace kvs {

/// The record in the content of one frame. `header` is that of the member, null where none came
/// yet. Throws Error(format) where it is no record, Error(mismatch) for a version or a codec that
/// is not known. A kv record may take the memory of `content` away. Rules between records are not
/// checked here (see member_rules.h).
ArchiveRecord read_record(Content& content, const ArchiveHeader* header, bool decode);

}  // namespace kvs
