#include <algorithm>
#include <unordered_set>
#include <utility>

#include "engine/record_queue.h"
#include "engine/record_rows.h"
#include "engine/stored_starts.h"
#include "kvs/kv_archive.h"

namespace kvs {
namespace {

constexpr int64_t kRecordTokens = kBlockTokens;
constexpr size_t kBatchRecords = 8;  // that the writer's threads share

std::string_view salt_of(const PromptRecord& prompt) {
  return prompt.visibility == Visibility::everyone ? std::string_view() : prompt.tenant;
}

// What a record's text goes on from: a tenant's texts part from that tenant's only.
Hash128 start_of(const KvContext& context) {
  return context.parent.is_zero() ? Hasher().add(context.tenant_salt).digest() : context.parent;
}

}  // namespace

struct KvArchiver::State {
  State(ArchiveWriter& writer, std::string name, KvCodec how)
      : fingerprint(std::move(name)), codec(how), queue(writer) {}

  // Copies the record's rows, unless they were copied before. `behind`: see start_of.
  void add(KvRecord record, const Hash128& behind, const KvPool& pool, const KvView& view);
  void write_batch();

  std::string fingerprint;
  KvCodec codec;
  StoredStarts starts;
  std::unordered_set<Hash128> known;
  std::vector<KvRecord> batch;
  int64_t batch_bytes = 0;
  RecordQueue queue;
};

void KvArchiver::State::add(KvRecord record, const Hash128& behind, const KvPool& pool,
                            const KvView& view) {
  if (known.contains(record.id)) return;
  copy_rows(record, pool, view);
  starts.add(behind, record.tokens);
  known.insert(record.id);
  batch_bytes += std::ssize(record.tokens) * static_cast<int64_t>(pool.layout().token_bytes());
  batch.push_back(std::move(record));
  if (batch.size() == kBatchRecords) write_batch();
}

void KvArchiver::State::write_batch() {
  if (!batch.empty()) queue.push(std::exchange(batch, {}), std::exchange(batch_bytes, 0));
}

KvArchiver::KvArchiver(ArchiveWriter& writer, std::string fingerprint, KvCodec codec)
    : state_(std::make_unique<State>(writer, std::move(fingerprint), codec)) {}
KvArchiver::~KvArchiver() = default;

void KvArchiver::add(const KvPool& pool, const KvView& view, PromptRecord prompt) {
  State& state = *state_;
  for (const Hash128& id : state.queue.take_missing()) state.known.erase(id);
  const bool exact = !is_lossy(state.codec);
  const int64_t stored = std::min(view.exact_rows(), std::ssize(prompt.tokens));
  KvContext context{
      .fingerprint = state.fingerprint, .tenant_salt = salt_of(prompt), .exact = exact};
  prompt.spans.clear();
  for (int64_t first = 0; first < stored;) {
    const auto rest = std::span(prompt.tokens).subspan(first, stored - first);
    const Hash128 behind = start_of(context);
    const auto part = rest.first(state.starts.next_count(behind, rest, kRecordTokens));
    const Hash128 id = kv_record_id(context, part);
    state.add({.id = id,
               .parent = context.parent,
               .tokens = {part.begin(), part.end()},
               .home = first,
               .exact = exact,
               .codec = state.codec},
              behind, pool, view);
    prompt.spans.push_back({.kv = id, .count = static_cast<int32_t>(part.size()), .exact = exact});
    context.parent = id;
    first += std::ssize(part);
  }
  state.write_batch();
  if (stored < std::ssize(prompt.tokens))
    prompt.spans.push_back({.count = static_cast<int32_t>(std::ssize(prompt.tokens) - stored)});
  state.queue.push(std::move(prompt));
}

std::vector<Error> KvArchiver::take_errors() {
  return state_->queue.take_errors();
}

std::vector<Error> KvArchiver::finish() {
  state_->queue.drain();
  return take_errors();
}

}  // namespace kvs
