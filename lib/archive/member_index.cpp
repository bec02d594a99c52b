#include "archive/member_index.h"

#include <algorithm>

#include "archive/offset_table.h"
#include "archive/record_read.h"
#include "archive/zstd_frame.h"

namespace kvs {
namespace {

void add_kv(IndexedMember& to, const Hash128& id, const MemberIndex::Kv& kv) {
  to.index.kv.emplace(id, kv);
  to.index.kv_order.push_back(id);
  ++to.member.kv;
}

void add_prompt(IndexedMember& to, const FramePlace& frame) {
  to.index.prompts.push_back(frame);
  ++to.member.prompts;
}

// The table that ends at byte `end` of the file, if a whole one does.
std::optional<OffsetTable> find_table(const InputFile& file, int64_t end) {
  constexpr auto kFooter = static_cast<int64_t>(kTableFooter);
  if (end < kFooter) return std::nullopt;
  ByteSource footer_source(file.descriptor(), file.name(), end - kFooter, end);
  const auto footer = read_footer(footer_source.peek(kTableFooter));
  if (!footer || footer->member_bytes > end) return std::nullopt;
  ByteSource source(file.descriptor(), file.name(), end - footer->frame_bytes, end);
  return read_table(source.peek(static_cast<size_t>(footer->frame_bytes)));
}

void verify_counts(const InputFile& file, const FramePlace& end, const IndexedMember& member) {
  FrameScratch scratch;
  read_frame_at<ArchiveEnd>(
      file, end, &member.member.header, scratch,
      [&](const ArchiveEnd& record) -> std::optional<std::string> {
        if (record.kv != member.member.kv || record.prompts != member.member.prompts)
          return "the end record has other counts than the table";
        if (member.index.kv.size() != member.index.kv_order.size())
          return "the table lists a kv record twice";
        return std::nullopt;
      });
}

IndexedMember index_by_table(const InputFile& file, const OffsetTable& table, int64_t start) {
  IndexedMember indexed;
  FrameScratch scratch;
  indexed.member = {.header = {}, .offset = start, .bytes = table.member_bytes, .table = true};
  const auto frame_bytes = static_cast<int64_t>(table_bytes(table.entries.size()));
  for (size_t index = 0; index < table.entries.size(); ++index) {
    const TableEntry& entry = table.entries[index];
    const bool last = index + 1 == table.entries.size();
    const int64_t next = last ? table.member_bytes - frame_bytes : table.entries[index + 1].offset;
    const FramePlace place{start + entry.offset, next - entry.offset};
    if (entry.kind == EntryKind::header)
      indexed.member.header = read_frame_at<ArchiveHeader>(
          file, place, nullptr, scratch,
          [](const ArchiveHeader& header) { return find_fault(header); });
    else if (entry.kind == EntryKind::kv)
      add_kv(indexed, entry.id,
             {.frame = place,
              .summary = {.home = entry.home, .count = entry.count, .exact = entry.exact}});
    else if (entry.kind == EntryKind::prompt)
      add_prompt(indexed, place);
    else
      verify_counts(file, place, indexed);
  }
  return indexed;
}

std::vector<IndexedMember> scan(const InputFile& file, int64_t end) {
  RecordStream stream(ByteSource(file.descriptor(), file.name(), 0, end),
                      {.decode_kv = false, .require_tables = false});
  std::vector<IndexedMember> members;
  while (const auto item = stream.next()) {
    const FramePlace place{item->offset, item->bytes};
    if (const auto* header = std::get_if<ArchiveHeader>(&item->record)) {
      members.emplace_back().member = {.header = *header, .offset = item->offset};
    } else if (const auto* kv = std::get_if<KvRecord>(&item->record)) {
      add_kv(members.back(), kv->id,
             {.frame = place,
              .summary = {.home = kv->home,
                          .count = static_cast<int32_t>(kv->tokens.size()),
                          .exact = kv->exact}});
    } else if (std::holds_alternative<PromptRecord>(item->record)) {
      add_prompt(members.back(), place);
    }
    members.back().member.bytes = item->offset + item->bytes - members.back().member.offset;
  }
  return members;
}

}  // namespace

const KvSummary* MemberIndex::find_summary(const Hash128& id) const {
  const auto found = kv.find(id);
  return found == kv.end() ? nullptr : &found->second.summary;
}

ArchiveRecord read_frame(const InputFile& file, const FramePlace& place,
                         const ArchiveHeader* header, FrameScratch& scratch,
                         const HostAllocator& memory) {
  ByteSource source(file.descriptor(), file.name(), place.offset, place.offset + place.bytes,
                    std::move(scratch.packed));
  source.peek(static_cast<size_t>(place.bytes));
  const size_t limit = header == nullptr ? kMaxHeaderContent : max_content_bytes(header->layout);
  const ZstdFrame frame = peek_frame(source, limit);
  if (static_cast<int64_t>(frame.packed.size()) != place.bytes)
    fail(ErrorKind::format, "the frame ends elsewhere than the table says");
  decompress(frame, scratch.content);
  scratch.packed = source.release();
  scratch.content.memory = memory;
  ArchiveRecord record = read_record(scratch.content, header, true);
  scratch.content.memory = {};
  return record;
}

std::vector<IndexedMember> index_archive(const InputFile& file) {
  std::vector<IndexedMember> members;
  int64_t end = file.size();
  while (const auto table = find_table(file, end)) {
    end -= table->member_bytes;
    members.push_back(index_by_table(file, *table, end));
  }
  std::reverse(members.begin(), members.end());
  if (end == 0 && !members.empty()) return members;
  auto scanned = scan(file, end);
  scanned.insert(scanned.end(), std::make_move_iterator(members.begin()),
                 std::make_move_iterator(members.end()));
  return scanned;
}

}  // namespace kvs
