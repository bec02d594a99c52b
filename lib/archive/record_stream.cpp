#include "archive/record_stream.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "archive/record_read.h"
#include "kvs/error.h"

namespace kvs {
namespace {

void require(const std::optional<std::string>& fault) {
  if (fault) fail(ErrorKind::format, "{}", *fault);
}

}  // namespace

void rethrow_located(const Error& error, const std::string& name, int64_t offset) {
  switch (error.kind()) {
    case ErrorKind::format:
      fail(ErrorKind::format, "{}: damaged at byte {}: {}", name, offset, error.what());
    case ErrorKind::mismatch:
      fail(ErrorKind::mismatch, "{}: {}", name, error.what());
    default:
      throw error;
  }
}

RecordStream::RecordStream(ByteSource source, const Options& options)
    : source_(std::move(source)), options_(options), member_start_(source_.position()) {
  content_.memory = options_.memory;
}

std::optional<ArchiveItem> RecordStream::next() {
  if (ended_) return std::nullopt;
  refuse_other_files();
  try {
    auto item = read_item();
    ended_ = !item;
    return item;
  } catch (const Error& error) {
    ended_ = true;
    rethrow_located(error, source_.name(), source_.position());
  }
}

void RecordStream::refuse_other_files() {
  if (source_.position() != 0 || starts_frame(source_)) return;
  ended_ = true;
  fail(ErrorKind::format, "{}: not a kv archive", source_.name());
}

std::optional<ArchiveItem> RecordStream::read_item() {
  if (std::exchange(table_follows_, false)) options_.require_tables ? read_table() : pass_table();
  if (source_.peek(1).empty()) {
    if (rules_) fail(ErrorKind::format, "cut off: the end record is missing");
    if (!any_member_) fail(ErrorKind::format, "empty, expected a header");
    return std::nullopt;
  }
  const size_t limit = rules_ ? max_content_bytes(rules_->header().layout) : kMaxHeaderContent;
  const ZstdFrame frame = peek_frame(source_, limit);
  decompress(frame, content_);
  ArchiveItem item{
      .offset = source_.position(),
      .bytes = static_cast<int64_t>(frame.packed.size()),
      .record = read_record(content_, rules_ ? &rules_->header() : nullptr, options_.decode_kv),
      .frame = frame.packed};
  verify(item.record, frame.packed);
  source_.consume(frame.packed.size());
  return item;
}

void RecordStream::verify(const ArchiveRecord& record, std::span<const std::byte> frame) {
  TableEntry entry = accept(record);
  entry.offset = source_.position() - member_start_;
  entries_.push_back(entry);
  hasher_.add(frame.data(), frame.size());
}

TableEntry RecordStream::accept(const ArchiveRecord& record) {
  if (const auto* header = std::get_if<ArchiveHeader>(&record)) {
    if (rules_) fail(ErrorKind::format, "a header before the end record of its member");
    require(find_fault(*header));
    rules_.emplace(*header);
    hasher_.reset();
    member_start_ = source_.position();
    entries_.clear();
    return {.kind = EntryKind::header};
  }
  if (const auto* kv = std::get_if<KvRecord>(&record)) {
    require(rules_->find_fault(*kv));
    rules_->accept(*kv);
    return kv_entry(*kv);
  }
  if (const auto* prompt = std::get_if<PromptRecord>(&record)) {
    require(rules_->find_fault(*prompt));
    rules_->accept(*prompt);
    return {.kind = EntryKind::prompt};
  }
  verify_end(std::get<ArchiveEnd>(record));
  return {.kind = EntryKind::end};
}

void RecordStream::verify_end(const ArchiveEnd& end) {
  if (end.kv != rules_->kv_count() || end.prompts != rules_->prompt_count())
    fail(ErrorKind::format, "{} kv and {} prompts, the end record says {} and {}",
         rules_->kv_count(), rules_->prompt_count(), end.kv, end.prompts);
  if (end.hash != hasher_.digest())
    fail(ErrorKind::format, "the hash of the member is {}, the end record says {}",
         to_hex(hasher_.digest()), to_hex(end.hash));
  rules_.reset();
  any_member_ = true;
  table_follows_ = end.table;
}

void RecordStream::read_table() {
  const auto bytes = table_frame_bytes(source_.peek(kSkippableHeader));
  const size_t expected = table_bytes(entries_.size());
  if (!bytes || *bytes != expected) fail(ErrorKind::format, "no whole table of offsets");
  const auto frame = source_.peek(expected);
  if (frame.size() < expected) fail(ErrorKind::format, "cut off within the table of offsets");
  const auto table = kvs::read_table(frame.first(expected));
  const int64_t member_bytes = source_.position() + static_cast<int64_t>(expected) - member_start_;
  if (!table || table->member_bytes != member_bytes || table->entries != entries_)
    fail(ErrorKind::format, "the table of offsets is wrong");
  source_.consume(expected);
}

void RecordStream::pass_table() {
  const auto start = source_.peek(kSkippableHeader);
  const bool cut_off = start.size() < kSkippableHeader;
  size_t left = cut_off ? start.size() : table_frame_bytes(start).value_or(0);
  while (left > 0) {
    const size_t step = std::min(left, source_.peek(1).size());
    if (step == 0) return;
    source_.consume(step);
    left -= step;
  }
}

}  // namespace kvs
