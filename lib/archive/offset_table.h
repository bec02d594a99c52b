#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kvs/archive.h"
#include "kvs/hash.h"

namespace kvs {

enum class EntryKind : uint16_t { header = 0, kv = 1, prompt = 2, end = 3 };

/// One frame of a member, as the table of offsets lists it.
struct TableEntry {
  int64_t offset = 0;  ///< of the frame, from the start of its member
  EntryKind kind = EntryKind::header;
  bool exact = false;  ///< kv only, as the next three
  int32_t count = 0;
  int64_t home = 0;
  Hash128 id{};

  bool operator==(const TableEntry&) const = default;
};

/// What a table says of a kv record, without its offset.
TableEntry kv_entry(const KvRecord& record);

struct OffsetTable {
  std::vector<TableEntry> entries;  ///< all frames of the member, in order
  int64_t member_bytes = 0;  ///< from the member's first byte to its last, the table included
};

inline constexpr size_t kSkippableHeader = 8;  ///< magic and size of a skippable frame
inline constexpr size_t kTableFooter = 32;     ///< the last bytes of a table's frame

/// Whether a member with so many frames can have a table (a frame's size has 32 bits).
bool fits_table(size_t entries);

/// Bytes of the table's frame for a member with so many frames.
size_t table_bytes(size_t entries);

/// The skippable frame for a member whose frames so far have `bytes` bytes.
std::vector<std::byte> write_table(std::span<const TableEntry> entries, int64_t bytes);

/// Bytes of the table's frame, from its first eight; nothing where they start no table.
std::optional<size_t> table_frame_bytes(std::span<const std::byte> start);

/// Bytes of the table's frame and of its whole member, from the footer; nothing where there is no
/// footer or its numbers are impossible. Says nothing about the rest of the table.
struct TableFooter {
  int64_t frame_bytes = 0;
  int64_t member_bytes = 0;
};
std::optional<TableFooter> read_footer(std::span<const std::byte> footer);

/// The table in a whole frame; nothing where any of it is damaged or contradicts itself.
std::optional<OffsetTable> read_table(std::span<const std::byte> frame);

}  // namespace kvs
