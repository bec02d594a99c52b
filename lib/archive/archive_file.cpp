#include <mutex>
#include <utility>

#include "archive/input_file.h"
#include "archive/member_index.h"
#include "archive/record_read.h"
#include "archive/record_stream.h"
#include "archive/zstd_frame.h"
#include "kvs/archive_reader.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// Lends memory to as many threads as read at a time: fresh pages cost more than decompression.
class ScratchPool {
 public:
  template <typename Use>
  auto lend(Use use) {
    FrameScratch scratch = take();
    auto result = use(scratch);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(scratch));
    return result;
  }

 private:
  FrameScratch take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return {};
    FrameScratch scratch = std::move(idle_.back());
    idle_.pop_back();
    return scratch;
  }

  std::mutex mutex_;
  std::vector<FrameScratch> idle_;
};

}  // namespace

struct ArchiveFile::State {
  explicit State(const std::filesystem::path& path) : file(path) {}

  InputFile file;
  std::vector<ArchiveMember> members;
  std::vector<MemberIndex> indexes;  // one per member
  struct PromptPlace {
    size_t member = 0;
    FramePlace frame;
  };
  std::vector<PromptPlace> prompts;
  ScratchPool scratch;
};

ArchiveFile::ArchiveFile(const std::filesystem::path& path)
    : state_(std::make_unique<State>(path)) {
  for (IndexedMember& member : index_archive(state_->file)) {
    for (const FramePlace& frame : member.index.prompts)
      state_->prompts.push_back({.member = state_->members.size(), .frame = frame});
    state_->members.push_back(std::move(member.member));
    state_->indexes.push_back(std::move(member.index));
  }
}

ArchiveFile::~ArchiveFile() = default;
ArchiveFile::ArchiveFile(ArchiveFile&&) noexcept = default;

const std::vector<ArchiveMember>& ArchiveFile::members() const {
  return state_->members;
}

size_t ArchiveFile::prompt_count() const {
  return state_->prompts.size();
}

size_t ArchiveFile::prompt_member(size_t prompt) const {
  return state_->prompts.at(prompt).member;
}

PromptRecord ArchiveFile::read_prompt(size_t prompt) const {
  const State::PromptPlace& place = state_->prompts.at(prompt);
  const ArchiveHeader& header = state_->members[place.member].header;
  const FindKv find_kv = [&index = state_->indexes[place.member]](const Hash128& id) {
    return index.find_summary(id);
  };
  return state_->scratch.lend([&](FrameScratch& scratch) {
    return read_frame_at<PromptRecord>(
        state_->file, place.frame, &header, scratch,
        [&](const PromptRecord& record) { return find_fault(record, find_kv); });
  });
}

std::vector<Hash128> ArchiveFile::kv_ids(size_t member) const {
  return state_->indexes.at(member).kv_order;
}

std::optional<KvPlace> ArchiveFile::find_kv(size_t member, const Hash128& id) const {
  const auto& kv = state_->indexes.at(member).kv;
  const auto found = kv.find(id);
  if (found == kv.end()) return std::nullopt;
  const auto& [frame, summary] = found->second;
  return KvPlace{.offset = frame.offset,
                 .bytes = frame.bytes,
                 .home = summary.home,
                 .count = summary.count,
                 .exact = summary.exact};
}

KvRecord ArchiveFile::read_kv(size_t member, const Hash128& id, const HostAllocator& memory) const {
  const auto place = find_kv(member, id);
  if (!place)
    fail(ErrorKind::argument, "{}: no kv {} in member {}", state_->file.name(), to_hex(id), member);
  const ArchiveHeader& header = state_->members[member].header;
  const auto find_kv_fault = [&](const KvRecord& record) -> std::optional<std::string> {
    if (record.id != id || record.home != place->home || record.exact != place->exact ||
        static_cast<int32_t>(record.tokens.size()) != place->count)
      return "another kv record than the table says";
    return find_fault(record, header.layout);
  };
  return state_->scratch.lend([&](FrameScratch& scratch) {
    return read_frame_at<KvRecord>(state_->file, {place->offset, place->bytes}, &header, scratch,
                                   find_kv_fault, memory);
  });
}

}  // namespace kvs
