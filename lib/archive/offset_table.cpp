#include "archive/offset_table.h"

#include <cstring>
#include <limits>

#include "archive/little_endian.h"

namespace kvs {
namespace {

constexpr uint32_t kMagic = 0x184D2A5B;  // one of the sixteen of RFC 8878, section 3.1.2
constexpr size_t kEntry = 40;
constexpr char kFooterMagic[] = {'K', 'V', 'A', 'T'};
constexpr uint16_t kExact = 1;

Hash128 load_hash(std::span<const std::byte> bytes) {
  return hash_from_bytes(bytes.first<16>());
}

void append_hash(std::vector<std::byte>& to, const Hash128& hash) {
  append_little(to, to_bytes(hash));
}

void append_entry(std::vector<std::byte>& to, const TableEntry& entry) {
  append_little(to, entry.offset);
  append_little(to, static_cast<uint16_t>(entry.kind));
  append_little(to, static_cast<uint16_t>(entry.exact ? kExact : 0));
  append_little(to, entry.count);
  append_little(to, entry.home);
  append_hash(to, entry.id);
}

TableEntry load_entry(std::span<const std::byte> bytes) {
  return {.offset = load_little<int64_t>(bytes),
          .kind = static_cast<EntryKind>(load_little<uint16_t>(bytes.subspan(8))),
          .exact = (load_little<uint16_t>(bytes.subspan(10)) & kExact) != 0,
          .count = load_little<int32_t>(bytes.subspan(12)),
          .home = load_little<int64_t>(bytes.subspan(16)),
          .id = load_hash(bytes.subspan(24))};
}

bool is_plausible(const TableEntry& entry) {
  if (entry.kind != EntryKind::kv) return entry.kind <= EntryKind::end;
  return entry.count >= 1 && entry.count <= kMaxKvTokens && entry.home >= 0 &&
         entry.home <= std::numeric_limits<int32_t>::max() && !entry.id.is_zero();
}

// A header, then kv and prompts, then an end; offsets ascend and stay in front of the table.
bool is_member(const OffsetTable& table, int64_t frame_bytes) {
  const auto& entries = table.entries;
  if (entries.size() < 2) return false;
  for (size_t index = 0; index < entries.size(); ++index) {
    const bool first = index == 0;
    const bool last = index + 1 == entries.size();
    if (!is_plausible(entries[index])) return false;
    if ((entries[index].kind == EntryKind::header) != first) return false;
    if ((entries[index].kind == EntryKind::end) != last) return false;
    if (first ? entries[index].offset != 0 : entries[index].offset <= entries[index - 1].offset)
      return false;
  }
  return entries.back().offset < table.member_bytes - frame_bytes;
}

}  // namespace

TableEntry kv_entry(const KvRecord& record) {
  return {.kind = EntryKind::kv,
          .exact = record.exact,
          .count = static_cast<int32_t>(record.tokens.size()),
          .home = record.home,
          .id = record.id};
}

bool fits_table(size_t entries) {
  return entries <= (std::numeric_limits<uint32_t>::max() - kTableFooter) / kEntry;
}

size_t table_bytes(size_t entries) {
  return kSkippableHeader + entries * kEntry + kTableFooter;
}

std::vector<std::byte> write_table(std::span<const TableEntry> entries, int64_t bytes) {
  const size_t size = table_bytes(entries.size());
  std::vector<std::byte> frame;
  frame.reserve(size);
  append_little(frame, kMagic);
  append_little(frame, static_cast<uint32_t>(size - kSkippableHeader));
  for (const TableEntry& entry : entries) append_entry(frame, entry);
  append_little(frame, bytes + static_cast<int64_t>(size));
  append_little(frame, static_cast<uint32_t>(entries.size()));
  append_hash(frame, hash_bytes(frame.data(), frame.size()));
  for (const char letter : kFooterMagic) append_little(frame, letter);
  return frame;
}

std::optional<size_t> table_frame_bytes(std::span<const std::byte> start) {
  if (start.size() < kSkippableHeader || load_little<uint32_t>(start) != kMagic)
    return std::nullopt;
  return kSkippableHeader + load_little<uint32_t>(start.subspan(4));
}

std::optional<TableFooter> read_footer(std::span<const std::byte> footer) {
  if (footer.size() != kTableFooter) return std::nullopt;
  if (std::memcmp(footer.data() + 28, kFooterMagic, sizeof kFooterMagic) != 0) return std::nullopt;
  const auto member_bytes = load_little<int64_t>(footer);
  const auto entries = load_little<uint32_t>(footer.subspan(8));
  const auto frame_bytes = static_cast<int64_t>(table_bytes(entries));
  if (!fits_table(entries) || member_bytes <= frame_bytes) return std::nullopt;
  return TableFooter{.frame_bytes = frame_bytes, .member_bytes = member_bytes};
}

std::optional<OffsetTable> read_table(std::span<const std::byte> frame) {
  if (frame.size() < kSkippableHeader + kTableFooter || table_frame_bytes(frame) != frame.size())
    return std::nullopt;
  const auto footer = frame.last(kTableFooter);
  const auto sizes = read_footer(footer);
  if (!sizes || sizes->frame_bytes != static_cast<int64_t>(frame.size())) return std::nullopt;
  if (load_hash(footer.subspan(12)) != hash_bytes(frame.data(), frame.size() - 20))
    return std::nullopt;

  OffsetTable table{.entries = {}, .member_bytes = sizes->member_bytes};
  const auto entries =
      frame.subspan(kSkippableHeader, frame.size() - kSkippableHeader - kTableFooter);
  for (size_t at = 0; at < entries.size(); at += kEntry)
    table.entries.push_back(load_entry(entries.subspan(at, kEntry)));
  if (!is_member(table, sizes->frame_bytes)) return std::nullopt;
  return table;
}

}  // namespace kvs
