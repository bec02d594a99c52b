#include "kvs/archive_copier.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail_io() {
  fail(ErrorKind::io, "temporary file: {}", std::strerror(errno));
}

}  // namespace

struct ArchiveCopier::State {
  struct Kept {
    KvRecord record;  // without layers
    int64_t offset = 0;
    size_t bytes = 0;
  };

  void keep(const KvRecord& record, std::span<const std::byte> frame);
  std::span<const std::byte> fetch(const Kept& kept);

  std::unique_ptr<std::FILE, CloseFile> file{std::tmpfile()};
  int64_t end = 0;
  std::unordered_map<Hash128, Kept> kv;  // of the member that is being read
  std::vector<std::byte> frame;
};

void ArchiveCopier::State::keep(const KvRecord& record, std::span<const std::byte> bytes) {
  if (fseeko(file.get(), end, SEEK_SET) != 0 ||
      std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
    fail_io();
  KvRecord kept{.id = record.id,
                .parent = record.parent,
                .tokens = record.tokens,
                .home = record.home,
                .exact = record.exact,
                .codec = record.codec,
                .error = record.error,
                .max_error = record.max_error};
  kv[record.id] = {.record = std::move(kept), .offset = end, .bytes = bytes.size()};
  end += std::ssize(bytes);
}

std::span<const std::byte> ArchiveCopier::State::fetch(const Kept& kept) {
  frame.resize(kept.bytes);
  if (fseeko(file.get(), kept.offset, SEEK_SET) != 0 ||
      std::fread(frame.data(), 1, frame.size(), file.get()) != frame.size())
    fail_io();
  return frame;
}

ArchiveCopier::ArchiveCopier() : state_(std::make_unique<State>()) {
  if (!state_->file) fail_io();
}
ArchiveCopier::~ArchiveCopier() = default;
ArchiveCopier::ArchiveCopier(ArchiveCopier&&) noexcept = default;

void ArchiveCopier::take(const ArchiveItem& item) {
  if (std::holds_alternative<ArchiveHeader>(item.record)) {
    state_->kv.clear();
    state_->end = 0;
  } else if (const auto* kv = std::get_if<KvRecord>(&item.record)) {
    state_->keep(*kv, item.frame);
  }
}

void ArchiveCopier::copy(const ArchiveItem& item, ArchiveWriter& writer) {
  const auto& prompt = std::get<PromptRecord>(item.record);
  for (const PromptSpan& span : prompt.spans) {
    if (!span.kv) continue;
    const State::Kept& kept = state_->kv.at(*span.kv);
    std::span<const std::byte> frame;
    if (!writer.has_kv(*span.kv)) frame = state_->fetch(kept);
    writer.copy(kept.record, frame);  // which refuses one that differs from what is there
  }
  writer.copy(prompt, item.frame);
}

}  // namespace kvs
