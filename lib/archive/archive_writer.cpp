#include <algorithm>
#include <utility>

#include "archive/member_rules.h"
#include "archive/offset_table.h"
#include "archive/record_write.h"
#include "archive/zstd_frame.h"
#include "base/cpu_count.h"
#include "base/output_file.h"
#include "base/thread_pool.h"
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

  void start_member(const ArchiveHeader& header);
  void end_member();
  void write(std::span<const std::byte> frame, TableEntry entry);
  template <typename Record>
  void write_small(const Record& record, EntryKind kind);
  int64_t write_parallel(std::span<const KvRecord* const> records);
  bool is_known(const KvRecord& record) const;
  void require_open() const;

  std::unique_ptr<OutputFile> output;
  ArchiveOptions options;
  ThreadPool threads;
  std::vector<FrameWriter> frames;  // one for each thread
  std::vector<ByteBuffer> packed;   // one for each record of a parallel step
  bool open = false;                // no error yet and not finished

  // Of the member being written.
  std::optional<MemberRules> rules;
  Hasher hasher;
  std::vector<TableEntry> entries;
  int64_t start = 0;
};

ArchiveWriter::State::State(std::unique_ptr<OutputFile> file, const ArchiveHeader& header,
                            const ArchiveOptions& wanted)
    : output(std::move(file)),
      options(wanted),
      threads(std::clamp(wanted.threads == 0 ? usable_cpus() : wanted.threads, 1, kMaxThreads)),
      frames(static_cast<size_t>(threads.size())),
      packed(static_cast<size_t>(threads.size())) {
  options.level = std::clamp(options.level, 1, 22);
  start_member(header);
}

void ArchiveWriter::State::start_member(const ArchiveHeader& header) {
  require(find_fault(header), output->name());
  rules.emplace(header);
  hasher.reset();
  entries.clear();
  start = output->size();
  write_small(header, EntryKind::header);
}

void ArchiveWriter::State::end_member() {
  const bool table = options.table && fits_table(entries.size() + 1);
  const ArchiveEnd end{.kv = rules->kv_count(),
                       .prompts = rules->prompt_count(),
                       .hash = hasher.digest(),
                       .table = table};
  write_small(end, EntryKind::end);
  open = false;
  if (table) output->write(write_table(entries, output->size() - start));
}

void ArchiveWriter::State::write(std::span<const std::byte> frame, TableEntry entry) {
  entry.offset = output->size() - start;
  open = false;  // until the frame is written whole
  output->write(frame);
  open = true;
  hasher.add(frame.data(), frame.size());
  entries.push_back(entry);
}

template <typename Record>
void ArchiveWriter::State::write_small(const Record& record, EntryKind kind) {
  write(frames[0].compress(write_record(record), options.level, packed[0]), {.kind = kind});
}

// As many records as there are threads, at most.
int64_t ArchiveWriter::State::write_parallel(std::span<const KvRecord* const> records) {
  std::vector<std::span<const std::byte>> done(records.size());
  threads.parallel_for(std::ssize(records), [&](int64_t index, int thread) {
    const KvRecord& record = *records[static_cast<size_t>(index)];
    const int level = record.codec == KvCodec::raw ? kRawLevel : options.level;
    const auto content = write_record(record, rules->header().layout);
    done[static_cast<size_t>(index)] = frames[static_cast<size_t>(thread)].compress(
        content, level, packed[static_cast<size_t>(index)]);
  });
  for (size_t index = 0; index < records.size(); ++index) {
    write(done[index], kv_entry(*records[index]));
    rules->accept(*records[index]);
  }
  return std::ssize(records);
}

// Whether the record is there already.
bool ArchiveWriter::State::is_known(const KvRecord& record) const {
  const KvSummary* known = rules->find_kv(record.id);
  if (known == nullptr) return false;
  if (known->home != record.home || static_cast<size_t>(known->count) != record.tokens.size() ||
      known->exact != record.exact)
    fail(ErrorKind::argument, "{}: kv {}: occurs twice and differs", output->name(),
         to_hex(record.id));
  return true;
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
  return state_->rules->find_kv(id) != nullptr;
}

bool ArchiveWriter::add(const KvRecord& record) {
  return add(std::span(&record, 1)) > 0;
}

int64_t ArchiveWriter::add(std::span<const KvRecord> records) {
  State& state = *state_;
  state.require_open();
  std::vector<const KvRecord*> step;
  int64_t written = 0;
  const auto write_step = [&] { written += state.write_parallel(std::exchange(step, {})); };
  for (const KvRecord& record : records) {
    const auto same = [&](const KvRecord* other) { return other->id == record.id; };
    if (std::any_of(step.begin(), step.end(), same)) write_step();
    if (state.is_known(record)) continue;
    require(state.rules->find_fault(record), state.output->name());
    require(find_layer_fault(record, state.rules->header().layout), state.output->name());
    step.push_back(&record);
    if (step.size() == state.packed.size()) write_step();
  }
  write_step();
  return written;
}

void ArchiveWriter::add(const PromptRecord& record) {
  state_->require_open();
  require(state_->rules->find_fault(record), state_->output->name());
  state_->write_small(record, EntryKind::prompt);
  state_->rules->accept(record);
}

bool ArchiveWriter::copy(const KvRecord& record, std::span<const std::byte> frame) {
  state_->require_open();
  if (state_->is_known(record)) return false;
  require(state_->rules->find_fault(record), state_->output->name());
  state_->write(frame, kv_entry(record));
  state_->rules->accept(record);
  return true;
}

void ArchiveWriter::copy(const PromptRecord& record, std::span<const std::byte> frame) {
  state_->require_open();
  require(state_->rules->find_fault(record), state_->output->name());
  state_->write(frame, {.kind = EntryKind::prompt});
  state_->rules->accept(record);
}

void ArchiveWriter::next_member(const ArchiveHeader& header) {
  state_->require_open();
  state_->end_member();
  state_->start_member(header);
}

void ArchiveWriter::finish() {
  state_->require_open();
  state_->end_member();
  state_->output->commit();
}

int64_t ArchiveWriter::bytes() const {
  return state_->output->size();
}

}  // namespace kvs
