#include <algorithm>
#include <utility>

#include "archive/member_rules.h"
#include "archive/offset_table.h"
#include "archive/record_write.h"
#include "archive/zstd_frame.h"
#include "base/output_file.h"
#include "kvs/archive.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// Raw KV hardly compresses. So fast a level never searches for long and leaves literals as they
// are, so that such frames are read at the speed of memcpy.
constexpr int kRawLevel = -100;
constexpr int kMaxThreads = 64;

void require(const std::optional<std::string>& fault, const std::string& name) {
  if (fault) fail(ErrorKind::argument, "{}: {}", name, *fault);
}

}  // namespace

struct ArchiveWriter::State {
  State(std::unique_ptr<OutputFile> file, const ArchiveHeader& header,
        const ArchiveOptions& wanted);

  void write(std::span<const std::byte> content, int level, TableEntry entry);
  void require_open() const;

  std::unique_ptr<OutputFile> output;
  MemberRules rules;
  ArchiveOptions options;
  FrameWriter frames;
  Hasher hasher;
  std::vector<TableEntry> entries;
  bool open = false;  // no error yet and not finished
};

ArchiveWriter::State::State(std::unique_ptr<OutputFile> file, const ArchiveHeader& header,
                            const ArchiveOptions& wanted)
    : output(std::move(file)),
      rules(header),
      options(wanted),
      frames(std::clamp(wanted.threads, 0, kMaxThreads)) {
  options.level = std::clamp(options.level, 1, 22);
  require(find_fault(header), output->name());
  write(write_record(header), options.level, {.kind = EntryKind::header});
  open = true;
}

void ArchiveWriter::State::write(std::span<const std::byte> content, int level, TableEntry entry) {
  const auto frame = frames.compress(content, level);
  entry.offset = output->size();
  open = false;  // until the frame is written whole
  output->write(frame);
  open = true;
  hasher.add(frame.data(), frame.size());
  entries.push_back(entry);
}

void ArchiveWriter::State::require_open() const {
  if (!open) fail(ErrorKind::io, "{}: cannot write: finished, or failed before", output->name());
}

ArchiveWriter::ArchiveWriter(const std::filesystem::path& path, const ArchiveHeader& header,
                             const ArchiveOptions& options)
    : state_(std::make_unique<State>(std::make_unique<OutputFile>(path), header, options)) {}

ArchiveWriter::ArchiveWriter(int descriptor, std::string name, const ArchiveHeader& header,
                             const ArchiveOptions& options)
    : state_(std::make_unique<State>(std::make_unique<OutputFile>(descriptor, std::move(name)),
                                     header, options)) {}

ArchiveWriter::~ArchiveWriter() = default;
ArchiveWriter::ArchiveWriter(ArchiveWriter&&) noexcept = default;

bool ArchiveWriter::has_kv(const Hash128& id) const {
  return state_->rules.find_kv(id) != nullptr;
}

bool ArchiveWriter::add(const KvRecord& record) {
  state_->require_open();
  if (const KvSummary* known = state_->rules.find_kv(record.id)) {
    if (known->home != record.home || static_cast<size_t>(known->count) != record.tokens.size() ||
        known->exact != record.exact)
      fail(ErrorKind::argument, "{}: kv {}: occurs twice and differs", state_->output->name(),
           to_hex(record.id));
    return false;
  }
  const KvLayout& layout = state_->rules.header().layout;
  require(state_->rules.find_fault(record), state_->output->name());
  require(find_layer_fault(record, layout), state_->output->name());
  const int level = record.codec == KvCodec::raw ? kRawLevel : state_->options.level;
  state_->write(write_record(record, layout.type), level,
                {.kind = EntryKind::kv,
                 .exact = record.exact,
                 .count = static_cast<int32_t>(record.tokens.size()),
                 .home = record.home,
                 .id = record.id});
  state_->rules.accept(record);
  return true;
}

void ArchiveWriter::add(const PromptRecord& record) {
  state_->require_open();
  require(state_->rules.find_fault(record), state_->output->name());
  state_->write(write_record(record), state_->options.level, {.kind = EntryKind::prompt});
  state_->rules.accept(record);
}

void ArchiveWriter::finish() {
  state_->require_open();
  const bool table = state_->options.table && fits_table(state_->entries.size() + 1);
  const ArchiveEnd end{.kv = state_->rules.kv_count(),
                       .prompts = state_->rules.prompt_count(),
                       .hash = state_->hasher.digest(),
                       .table = table};
  state_->write(write_record(end), state_->options.level, {.kind = EntryKind::end});
  state_->open = false;
  if (table) state_->output->write(write_table(state_->entries, state_->output->size()));
  state_->output->commit();
}

int64_t ArchiveWriter::bytes() const {
  return state_->output->size();
}

}  // namespace kvs
