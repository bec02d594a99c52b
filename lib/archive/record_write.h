#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kvs/archive.h"

namespace kvs {

/// The content of one frame, as kvs-archive(5) defines it. `layout` is the member's.
std::vector<std::byte> write_record(const ArchiveHeader& header);
std::vector<std::byte> write_record(const KvRecord& record, const KvLayout& layout);
std::vector<std::byte> write_record(const PromptRecord& record);
std::vector<std::byte> write_record(const ArchiveEnd& end);

}  // namespace kvs
