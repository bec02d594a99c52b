#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "archive/input_file.h"
#include "archive/member_rules.h"
#include "archive/record_stream.h"
#include "kvs/archive_reader.h"

namespace kvs {

/// Where a frame lies in the file.
struct FramePlace {
  int64_t offset = 0;
  int64_t bytes = 0;
};

/// Where the records of one member are.
struct MemberIndex {
  struct Kv {
    FramePlace frame;
    KvSummary summary;
  };
  std::unordered_map<Hash128, Kv> kv;
  std::vector<Hash128> kv_order;
  std::vector<FramePlace> prompts;

  const KvSummary* find_summary(const Hash128& id) const;
};

struct IndexedMember {
  ArchiveMember member;
  MemberIndex index;
};

/// All members in the order of the file: through their tables, from the end of the file backwards;
/// what lies in front of a member without a whole table is scanned. Throws as ArchiveFile does.
std::vector<IndexedMember> index_archive(const InputFile& file);

/// Memory for reading frames, to be used again.
struct FrameScratch {
  ByteBuffer packed;
  Content content;
};

/// The record in one frame of a file, verified by the frame's checksum only. `header` is null
/// for a header; `memory` is for what is decoded from the frame, not for the frame itself. Throws
/// Error(format) without a location.
ArchiveRecord read_frame(const InputFile& file, const FramePlace& place,
                         const ArchiveHeader* header, FrameScratch& scratch,
                         const HostAllocator& memory);

/// The same where a record of type T is expected that `find_fault` finds no fault with; errors say
/// where.
template <typename T, typename FindFault>
T read_frame_at(const InputFile& file, const FramePlace& place, const ArchiveHeader* header,
                FrameScratch& scratch, FindFault find_fault, const HostAllocator& memory = {}) {
  try {
    ArchiveRecord record = read_frame(file, place, header, scratch, memory);
    T* wanted = std::get_if<T>(&record);
    if (wanted == nullptr) fail(ErrorKind::format, "another kind of record than the table says");
    const std::optional<std::string> fault = find_fault(*wanted);
    if (fault) fail(ErrorKind::format, "{}", *fault);
    return std::move(*wanted);
  } catch (const Error& error) {
    rethrow_located(error, file.name(), place.offset);
  }
}

}  // namespace kvs
