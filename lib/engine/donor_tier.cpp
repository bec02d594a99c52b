#include "engine/donor_tier.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/blob_codec.h"
#include "engine/record_rows.h"
#include "engine/residency.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMaxWaitingBytes = int64_t{256} << 20;  // bytes of rows that wait to be written
constexpr size_t kMaxCopies = 64;                         // donors that wait to be copied
constexpr size_t kMaxDonors = 100'000;
constexpr int64_t kBlobOverhead = 4096;
constexpr std::chrono::minutes kFull{1};

// Said always, so that a record without one is known to be of another time.
std::string owner_of(const DonorToWrite& donor) {
  return donor.owner.empty() ? donor.tenant : donor.owner;
}

bool begins(std::span<const int32_t> text, std::span<const int32_t> start) {
  return start.size() <= text.size() && std::equal(start.begin(), start.end(), text.begin());
}

}  // namespace

double DonorTier::seconds_now() {
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

DonorTier::DonorTier(std::unique_ptr<BlobStore> store, const ArchiveHeader& header, Options options)
    : options_(std::move(options)),
      header_(header),
      store_(std::move(store)),
      writer_(*store_, header_, complaints_),
      reader_(*store_, header_, options_.memory, complaints_) {}

DonorTier::~DonorTier() = default;

void DonorTier::add(DonorToWrite donor) {
  if (donor.tokens.empty()) return;
  std::vector<Hash128> pieces = piece_ids(header_.fingerprint, donor.tenant, donor.tokens);
  const Hash128 id = pieces.back();
  if (entries_.contains(id)) return;
  if (has_holder(donor.tenant, {.id = {}, .tokens = donor.tokens, .view = {}})) return;
  const auto tokens = std::ssize(donor.tokens);
  int64_t bytes = kBlobOverhead;
  for (size_t piece = 0; piece < pieces.size(); ++piece) bytes += piece_bytes(piece, tokens);
  const bool too_large = options_.max_bytes > 0 && bytes > options_.max_bytes;
  if (!too_large && copies_.size() < kMaxCopies)
    claim(id,
          {.tenant = donor.tenant,
           .owner = donor.owner,
           .pieces = std::move(pieces),
           .time = seconds_now()},
          tokens);
  if (!entries_.contains(id) || !make_room()) {
    ++state_.failed_writes;
    return forget(id);
  }
  // What it goes on from need not be copied any more.
  const auto needless = std::find_if(copies_.begin(), copies_.end(), [&](const Copy& copy) {
    return copy.donor.tenant == donor.tenant && begins(donor.tokens, copy.donor.tokens);
  });
  if (needless != copies_.end()) {
    forget(needless->id);
    copies_.erase(needless);
  }
  copies_.push_back({.write = next_write_++, .id = id, .donor = std::move(donor)});
}

int64_t DonorTier::piece_bytes(size_t piece, int64_t tokens) const {
  const int64_t rest = tokens - static_cast<int64_t>(piece) * kMaxKvTokens;
  return std::min<int64_t>(rest, kMaxKvTokens) *
             static_cast<int64_t>(header_.layout.token_bytes()) +
         kBlobOverhead;
}

// For what has been claimed.
bool DonorTier::make_room() {
  const bool limited = Clock::now() < full_until_;
  const int64_t limit = limited ? std::min(full_at_, options_.max_bytes) : options_.max_bytes;
  while (entries_.size() > kMaxDonors || (options_.max_bytes > 0 && used_ > limit))
    if (!order_.evict(1)) return false;
  return true;
}

DonorTier::Entry& DonorTier::claim(const Hash128& id, Entry entry, int64_t tokens) {
  for (size_t index = 0; index < entry.pieces.size(); ++index) {
    const auto [at, is_new] = pieces_.try_emplace(entry.pieces[index]);
    if (is_new) used_ += at->second.bytes = piece_bytes(index, tokens);
    ++at->second.references;
  }
  used_ += entry.bytes = kBlobOverhead;
  return entries_[id] = std::move(entry);
}

// The directory's entry, which is claimed. What it makes needless goes.
void DonorTier::list(const Hash128& id, ResidentDonor donor, std::span<const float> embedding) {
  const std::string tenant = entries_.at(id).tenant;
  for (Group* known = find_group(tenant); known; known = find_group(tenant)) {
    const auto needless = known->donors.find_needless(donor);
    if (!needless) break;
    forget(Hash128(known->ids.at(*needless)));  // and the group with its last donor
  }
  Group& group = groups_[tenant];
  if (dims_ == 0) dims_ = embedding.size();
  if (embedding.size() != dims_) embedding = {};

  const auto rows = std::ssize(donor.tokens);
  Entry& entry = entries_.at(id);
  const std::string& owner = entry.owner.empty() ? tenant : entry.owner;
  entry.key = group.donors.add(std::move(donor), embedding);
  group.ids[entry.key] = id;
  entry.item = order_.add({.owner = Residency::name_of(owner),
                           .cost = static_cast<double>(rows),
                           .blocks = std::max<int64_t>(1, rows),
                           .added = entry.time,
                           .drop = [this, id] {
                             entries_.at(id).item = -1;
                             ++state_.evicted;
                             forget(id);
                           }});
  ++state_.donors;
}

void DonorTier::forget(const Hash128& id) {
  const auto at = entries_.find(id);
  if (at == entries_.end()) return;
  const Entry entry = std::move(at->second);
  entries_.erase(at);
  unlist(id, entry);
  used_ -= entry.bytes;
  for (const Hash128& piece : entry.pieces) release(entry.tenant, piece, goes_by_itself(entry));
}

// Clients name groups as they like (cache_salt): empty ones would pile up.
void DonorTier::unlist(const Hash128& id, const Entry& entry) {
  Group* group = find_group(entry.tenant);
  if (!group) return;
  const auto listed = group->ids.find(entry.key);
  if (listed == group->ids.end() || listed->second != id) return;
  if (entry.item >= 0) order_.remove(entry.item);
  group->donors.remove(entry.key);
  group->ids.erase(listed);
  if (group->ids.empty()) groups_.erase(entry.tenant);
  if (!goes_by_itself(entry)) writer_.remove(prompt_name(entry.tenant, id));
  --state_.donors;
}

bool DonorTier::is_old(double time) const {
  return options_.time_to_live_s > 0 && time < seconds_now() - options_.time_to_live_s;
}

void DonorTier::expire() {
  if (options_.time_to_live_s > 0) order_.expire(seconds_now() - options_.time_to_live_s);
}

DonorTier::Group* DonorTier::find_group(const std::string& tenant) {
  const auto known = groups_.find(tenant);
  return known == groups_.end() ? nullptr : &known->second;
}

bool DonorTier::has_holder(const std::string& tenant, const ResidentDonor& donor) {
  const Group* group = find_group(tenant);
  return group && group->donors.find_holder(donor);
}

// What others put, for donors that are not known here, is not removed from a store of theirs.
void DonorTier::release(const std::string& tenant, const Hash128& id, bool leave) {
  const auto piece = pieces_.find(id);
  if (--piece->second.references > 0) return;
  const bool others = is_shared() && !piece->second.put && !piece->second.written;
  used_ -= piece->second.bytes;
  pieces_.erase(piece);
  if (!leave && !others) writer_.remove(rows_name(tenant, id));
}

bool DonorTier::copy_piece(const KvPool& pool) {
  if (copies_.empty() || writer_.waiting_bytes() > kMaxWaitingBytes) return false;
  Copy& copy = copies_.front();
  const Entry& entry = entries_.at(copy.id);
  while (copy.piece < entry.pieces.size() && !renews() &&
         pieces_.at(entry.pieces[copy.piece]).written)
    ++copy.piece;
  if (copy.piece < entry.pieces.size()) {
    KvRecord rows;
    try {
      rows = piece_of(copy, pool);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::memory) throw;
      drop_copies();  // prompts need it more
      return false;
    }
    pieces_.at(entry.pieces[copy.piece]).put = true;
    writer_.put(copy.write, rows_name(entry.tenant, entry.pieces[copy.piece]), std::move(rows));
    ++copy.piece;
  }
  if (copy.piece < entry.pieces.size()) return true;

  Copy done = std::move(copy);
  copies_.pop_front();
  done.donor.view = {};
  const bool embedded = !done.donor.embedding.empty() && !options_.embedder.empty();
  writer_.put(done.write, prompt_name(entry.tenant, done.id),
              PromptRecord{.id = done.donor.id,
                           .tenant = done.donor.tenant,
                           .owner = owner_of(done.donor),
                           .tokens = done.donor.tokens,
                           .embedding = embedded ? done.donor.embedding : std::vector<float>(),
                           .embedder = embedded ? options_.embedder : std::string(),
                           .time = static_cast<int64_t>(entry.time)});
  const uint64_t write = done.write;
  writes_.emplace(write, std::move(done));
  return true;
}

KvRecord DonorTier::piece_of(const Copy& copy, const KvPool& pool) const {
  const std::vector<Hash128>& pieces = entries_.at(copy.id).pieces;
  const auto home = static_cast<int64_t>(copy.piece) * kMaxKvTokens;
  const auto rest = std::span(copy.donor.tokens).subspan(home);
  const auto tokens = rest.first(std::min<size_t>(kMaxKvTokens, rest.size()));
  KvRecord record{.id = pieces[copy.piece],
                  .parent = copy.piece == 0 ? Hash128() : pieces[copy.piece - 1],
                  .tokens = {tokens.begin(), tokens.end()},
                  .home = home};
  copy_rows(record, pool, copy.donor.view);
  return record;
}

void DonorTier::drop_copies() {
  state_.failed_writes += std::ssize(copies_);
  for (const Copy& copy : std::exchange(copies_, {})) forget(copy.id);
}

void DonorTier::note(const WriteEnd& end) {
  const auto at = writes_.find(end.donor);
  if (at == writes_.end()) return;
  Copy copy = std::move(at->second);
  writes_.erase(at);
  const auto entry = entries_.find(copy.id);
  if (entry == entries_.end()) return;
  for (const Blob& blob : end.written) {
    state_.written_bytes += blob.bytes;
    const auto piece = pieces_.find(blob.name.id);
    const bool is_prompt = blob.name.kind == BlobName::Kind::prompt;
    if (!is_prompt && piece == pieces_.end()) continue;
    int64_t& bytes = is_prompt ? entry->second.bytes : piece->second.bytes;
    if (!is_prompt) piece->second.written = true;
    if (blob.bytes > 0) used_ += blob.bytes - std::exchange(bytes, blob.bytes);
  }
  if (!end.ok) {
    ++state_.failed_writes;
    forget(copy.id);
    full_at_ = used_;  // perhaps: from here on donors make room for others
    full_until_ = Clock::now() + kFull;
    return;
  }
  ++state_.written;
  list(copy.id,
       {.id = std::move(copy.donor.id), .tokens = std::move(copy.donor.tokens), .view = {}},
       copy.donor.embedding);
}

std::vector<TierDonor> DonorTier::donors_of(
    Group& group, std::span<const DonorPartition::Candidate> found) const {
  std::vector<TierDonor> donors;
  for (const DonorPartition::Candidate& candidate : found) {
    const Hash128& id = group.ids.at(candidate.key);
    const Entry& entry = entries_.at(id);
    donors.push_back({.id = id,
                      .name = group.donors.get(candidate.key).id,
                      .tokens = group.donors.get(candidate.key).tokens,
                      .similarity = candidate.similarity,
                      .owner = entry.owner,
                      .age_s = std::max(0.0, seconds_now() - entry.time)});
  }
  return donors;
}

std::vector<TierDonor> DonorTier::find(const std::string& tenant, std::span<const int32_t> tokens) {
  const auto group = groups_.find(tenant);
  if (group == groups_.end()) return {};
  return donors_of(group->second, group->second.donors.find(tokens));
}

std::vector<TierDonor> DonorTier::find_near(const std::string& tenant,
                                            std::span<const float> embedding) {
  const auto group = groups_.find(tenant);
  std::vector<DonorPartition::Candidate> found;
  if (group == groups_.end() || embedding.size() != dims_) return {};
  group->second.donors.find_near(embedding, found);
  return donors_of(group->second, found);
}

bool DonorTier::has_vectors(const std::string& tenant) const {
  return dims_ > 0 && groups_.contains(tenant);
}

void DonorTier::read(uint64_t fetch, const std::string& tenant, const Hash128& donor) {
  const Entry& entry = entries_.at(donor);
  order_.use(entry.item);
  reader_.read({.fetch = fetch,
                .group = group_of(tenant),
                .pieces = entry.pieces,
                .tokens = groups_.at(tenant).donors.get(entry.key).tokens});
}

std::vector<ReadResult> DonorTier::take_results() {
  std::vector<ReadResult> results = reader_.take_results();
  for (const ReadResult& result : results) note(result);
  return results;
}

// No donor that needs a piece can do without it.
void DonorTier::note(const ReadResult& result) {
  state_.read_bytes += result.bytes;
  if (result.outcome == ReadOutcome::done) return;
  if (result.outcome == ReadOutcome::unreachable) {
    ++state_.failed_reads;
    return;
  }
  ++(result.outcome == ReadOutcome::damaged ? state_.damaged : state_.lost);
  std::vector<Hash128> without;
  for (const auto& [id, entry] : entries_)
    if (entry.item >= 0 && std::ranges::find(entry.pieces, result.piece) != entry.pieces.end())
      without.push_back(id);
  for (const Hash128& id : without) forget(id);
  if (const auto piece = pieces_.find(result.piece); piece != pieces_.end())
    piece->second.written = false;  // donors on their way bring it again
}

void DonorTier::count_hit(int64_t tokens) {
  ++state_.hits;
  state_.hit_tokens += tokens;
}

void DonorTier::wait_for_results(Clock::time_point deadline) {
  reader_.wait_for_results(deadline);
}

bool DonorTier::wait_until_written(Clock::time_point deadline) {
  const bool written = writer_.drain(deadline);
  take_in();
  return written;
}

TierState DonorTier::state() const {
  TierState state = state_;
  state.name = donor_place_name(options_.place);
  state.reachable = reader_.reachable();
  state.bytes = used_;
  return state;
}

}  // namespace kvs
