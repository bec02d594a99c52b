#include <algorithm>
#include <utility>

#include "engine/donor_store_impl.h"
#include "kvs/error.h"
#include "kvs/kv_archive.h"

namespace kvs {

DonorStore::DonorStore(KvPool& pool, DonorStoreOptions options)
    : impl_(std::make_unique<Impl>(pool, std::move(options))) {}
DonorStore::~DonorStore() = default;

namespace {

ResidentDonor first_rows(std::string id, std::vector<int32_t> tokens, const KvView& view,
                         int64_t rows) {
  tokens.resize(rows);
  ResidentDonor donor{.id = std::move(id), .tokens = std::move(tokens)};
  donor.view.append_shared(view, 0, rows, true);
  return donor;
}

// No tenant can name another one's conversation.
std::pair<std::string, std::string> conversation_key(const DonorLookup& lookup) {
  return {std::string(lookup.tenant), std::string(lookup.conversation)};
}

// What the records of a prompt need at most.
int64_t blocks_of(const ArchiveFile& archive, size_t member, const PromptRecord& prompt) {
  int64_t blocks = 2;
  for (const PromptSpan& span : prompt.spans)
    if (const auto place = span.kv ? archive.find_kv(member, *span.kv) : std::nullopt)
      blocks += (place->count + kBlockTokens - 1) / kBlockTokens;
  return blocks;
}

// Whether there are rows behind the prompt's own ones.
bool is_edited(const PromptRecord& prompt, int64_t own) {
  int64_t position = 0;
  return std::any_of(prompt.spans.begin(), prompt.spans.end(), [&](const PromptSpan& span) {
    const bool behind = position >= own;
    position += span.count;
    return behind && span.kv;
  });
}

// Approximate rows are made of what their owner asked before: others of its group get exact ones.
// What belongs to nobody was put there by whoever runs the store.
int64_t rows_for(const DonorLookup& lookup, const ResidentDonor& donor) {
  const bool all = donor.owner.empty() || donor.owner == Residency::owner_of(lookup);
  return all ? donor.view.size() : donor.view.exact_rows();
}

}  // namespace

std::optional<EvictionOrder::Item> DonorStore::Impl::insert(const std::string* tenant,
                                                            ResidentDonor donor, bool pinned) {
  if (donor.tokens.empty()) return std::nullopt;
  DonorPartition* const known = find_partition(tenant);
  if (const auto holder = known ? known->find_holder(donor) : std::nullopt) {
    if (pinned) pin(known->get(*holder));
    return known->get(*holder).item;
  }
  const std::string* owner = tenant && !donor.owner.empty() ? &donor.owner : tenant;
  EvictionOrder::Terms terms = held.terms(owner, donor.view, 1);
  terms.added -= donor.age_s;
  if (!pinned && !held.order.may_hold(terms.owner, terms.blocks)) return std::nullopt;
  while (const auto needless = known ? known->find_needless(donor) : std::nullopt) {
    const EvictionOrder::Item item = known->get(*needless).item;
    terms.uses = std::max(terms.uses, held.order.uses(item));
    pinned = pinned || held.order.pinned(item);
    remove(*known, *needless);
  }
  if (pinned) held.require_pinnable(terms.blocks, pool);
  held.admit(terms);  // the partition may go with its last donor
  const std::vector<float> embedding = embedding_of(tenant ? *tenant : "", donor.tokens);
  DonorPartition& partition = partition_of(tenant);
  const DonorPartition::Key key = partition.add(std::move(donor), embedding);
  terms.pinned = pinned;
  terms.drop = [this, name = tenant ? std::optional(*tenant) : std::nullopt, key] {
    drop(name ? &*name : nullptr, key);
  };
  ResidentDonor& added = partition.get(key);
  added.item = held.order.add(std::move(terms));
  if (pinned) pinned_views.emplace(added.item, added.view);
  return added.item;
}

DonorPartition* DonorStore::Impl::find_partition(const std::string* tenant) {
  if (!tenant) return &everyone;
  const auto known = tenants.find(*tenant);
  return known == tenants.end() ? nullptr : &known->second;
}

// Clients name partitions as they like (cache_salt): empty ones would pile up.
void DonorStore::Impl::drop(const std::string* tenant, DonorPartition::Key key) {
  DonorPartition& partition = partition_of(tenant);
  partition.remove(key);
  if (tenant && partition.size() == 0) tenants.erase(*tenant);
}

// What a tenant may see as a whole, its own first.
std::vector<DonorPartition*> DonorStore::Impl::visible(std::string_view tenant) {
  std::vector<DonorPartition*> partitions;
  const std::string name(tenant);
  DonorPartition* const own = find_partition(&name);
  if (own) partitions.push_back(own);
  partitions.push_back(&everyone);
  return partitions;
}

// The same text is asked for several times in a row. Without an embedding, which a device's memory
// may lack room for, donors are found by their tokens.
std::vector<float> DonorStore::Impl::embedding_of(std::string_view tenant,
                                                  std::span<const int32_t> tokens) {
  if (!embed) return {};
  if (embedded.tenant == tenant && std::ranges::equal(embedded.tokens, tokens))
    return embedded.vector;
  try {
    embedded = {std::string(tenant), {tokens.begin(), tokens.end()}, embed(tokens)};
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory) throw;
    return {};
  }
  return embedded.vector;
}

void DonorStore::Impl::pin(const ResidentDonor& donor) {
  if (held.order.pinned(donor.item)) return;
  held.require_pinnable(donor.view.block_count(), pool);
  held.order.pin(donor.item);
  pinned_views.emplace(donor.item, donor.view);
}

void DonorStore::visit_pinned(const std::function<void(const KvView&)>& visit) const {
  for (const auto& [item, view] : impl_->pinned_views) visit(view);
}

void DonorStore::Impl::remove(DonorPartition& partition, DonorPartition::Key key) {
  held.order.remove(partition.get(key).item);
  pinned_views.erase(partition.get(key).item);
  partition.remove(key);
}

void DonorStore::add(std::string id, std::string_view tenant, std::vector<int32_t> tokens,
                     const KvView& view, int depth, std::string_view owner) {
  const int64_t exact = view.exact_rows();
  const bool all = exact == view.size() || (depth > 0 && depth <= impl_->held.options.max_depth);
  const int64_t rows = std::min<int64_t>(all ? view.size() : exact, tokens.size());
  ResidentDonor donor = first_rows(std::move(id), std::move(tokens), view, rows);
  if (donor.view.exact_rows() < rows) donor.depth = depth;
  donor.owner = owner;
  const std::string of(tenant);
  impl_->insert(&of, std::move(donor), false);
}

void DonorStore::keep_conversation(const DonorLookup& of, const KvView& view, int depth) {
  Impl& impl = *impl_;
  const auto key = conversation_key(of);
  const std::string owner = Residency::owner_of(of);
  if (const auto last = impl.conversations.find(key); last != impl.conversations.end()) {
    impl.held.order.remove(last->second.item);
    impl.conversations.erase(last);
  }
  ResidentDonor donor = first_rows(std::string(of.conversation),
                                   {of.tokens.begin(), of.tokens.end()}, view, view.size());
  donor.depth = depth;
  EvictionOrder::Terms terms = impl.held.terms(&owner, view, 1);
  if (!impl.held.admit(terms)) return;
  terms.drop = [&impl, key] { impl.conversations.erase(key); };
  donor.item = impl.held.order.add(std::move(terms));
  impl.conversations[key] = std::move(donor);
}

void DonorStore::go_on_over(const DonorLookup& of, const KvView& view) {
  const auto kept = impl_->conversations.find(conversation_key(of));
  if (kept != impl_->conversations.end() && std::ranges::equal(kept->second.tokens, of.tokens))
    keep_conversation(of, view, 0);
}

bool DonorStore::pin(std::string_view tenant, std::string_view id) {
  const auto of = impl_->tenants.find(std::string(tenant));
  if (of == impl_->tenants.end()) return false;
  const auto key = of->second.find_id(id);
  if (!key) return false;
  impl_->pin(of->second.get(*key));
  return true;
}

void DonorStore::preload(const std::filesystem::path& path, const ArchiveHeader& expected,
                         bool pinned) {
  const ArchiveFile archive(path);
  for (const ArchiveMember& member : archive.members())
    require_same_model(member.header, expected, path.string());
  ArchivedRows rows(impl_->pool);
  for (size_t index = 0; index < archive.prompt_count(); ++index) {
    PromptRecord prompt = archive.read_prompt(index);
    const size_t member = archive.prompt_member(index);
    make_room(blocks_of(archive, member, prompt));
    const KvView own = rows.load(archive, member, prompt);
    impl_->add_own_rows(prompt, own, pinned);
    if (!is_edited(prompt, own.size())) continue;
    std::vector<ArchivedPiece> pieces = rows.load_pieces(archive, member, prompt);
    impl_->edited.add(std::move(prompt), std::move(pieces));
  }
}

void DonorStore::Impl::add_own_rows(PromptRecord prompt, const KvView& view, bool pinned) {
  const bool shared = prompt.visibility == Visibility::everyone;
  ResidentDonor donor = first_rows(prompt.id, std::move(prompt.tokens), view, view.size());
  if (view.exact_rows() < view.size()) donor.depth = 1;  // stored with losses
  insert(shared ? nullptr : &prompt.tenant, std::move(donor), pinned);
}

void DonorStore::open_index(const std::filesystem::path& directory, const ArchiveHeader& expected,
                            Embed embed) {
  impl_->indexed.emplace(directory, expected, impl_->pool, impl_->held, std::move(embed));
}

void DonorStore::embed_with(Embed embed) {
  impl_->embed = std::move(embed);
}

std::vector<std::string> DonorStore::take_warnings() {
  std::vector<std::string> warnings = std::exchange(impl_->warnings, {});
  if (impl_->tiers)
    for (std::string& warning : impl_->tiers->take_warnings())
      warnings.push_back(std::move(warning));
  return warnings;
}

void DonorStore::Impl::offer(ResidentDonor& donor, int64_t rows, double similarity,
                             std::vector<ReuseDonor>& found) {
  if (rows == 0) return;
  const int64_t exact = donor.view.exact_rows();
  held.order.see(donor.item, held.lookup);
  found.push_back({.id = donor.id,
                   .tokens = std::span(donor.tokens).first(rows),
                   .exact_rows = std::min(rows, exact),
                   .similarity = similarity,
                   .view = &donor.view,
                   .depth = rows > exact ? donor.depth : 0,
                   .item = donor.item});
}

// An embedding is made only where tokens in common promise less than half of the prompt.
void DonorStore::Impl::find_resident(const DonorLookup& lookup, std::vector<ReuseDonor>& found) {
  const std::vector<DonorPartition*> seen = visible(lookup.tenant);
  const std::vector<Piece> published = published_pieces(lookup);
  std::vector<std::vector<DonorPartition::Candidate>> candidates;
  int64_t most = 0;
  for (const Piece& piece : published) most = std::max(most, piece.rows.end - piece.rows.first);
  for (const DonorPartition* partition : seen) {
    candidates.push_back(partition->find(lookup.tokens));
    for (const DonorPartition::Candidate& candidate : candidates.back())
      most = std::max(most, candidate.tokens);
  }
  std::vector<float> embedding;
  if (2 * most < std::ssize(lookup.tokens)) embedding = embedding_of(lookup.tenant, lookup.tokens);
  for (size_t place = 0; place < seen.size(); ++place) {
    if (!embedding.empty()) seen[place]->find_near(embedding, candidates[place]);
    for (const DonorPartition::Candidate& candidate : candidates[place]) {
      ResidentDonor& donor = seen[place]->get(candidate.key);
      offer(donor, rows_for(lookup, donor), candidate.similarity, found);
    }
  }
  for (const Piece& piece : published) offer(piece, found);
}

std::vector<ReuseDonor> DonorStore::find(const DonorLookup& lookup) {
  Impl& impl = *impl_;
  ++impl.held.lookup;
  impl.expire();
  impl.held.order.trim(impl.held.lookup);
  impl.piece_views.clear();

  std::vector<ReuseDonor> found;
  const auto conversation = impl.conversations.find(conversation_key(lookup));
  if (conversation != impl.conversations.end())
    impl.offer(conversation->second, conversation->second.view.size(), 0, found);
  impl.edited.find(lookup, found);
  impl.find_resident(lookup, found);
  if (impl.indexed) impl.indexed->find(lookup, found, impl.warnings);
  return found;
}

std::optional<DonorPlace> DonorStore::load(ReuseDonor& donor, int64_t rows) {
  if (donor.item >= 0 && 10 * rows >= std::ssize(donor.tokens)) impl_->held.order.use(donor.item);
  if (donor.view) return impl_->take_origin(donor.item);
  IndexedDonors& indexed = *impl_->indexed;
  if (!make_room(indexed.blocks_to_load(donor), /*keep_candidates=*/true) ||
      !indexed.load(donor, impl_->warnings))
    return std::nullopt;
  return DonorPlace::index;
}

bool DonorStore::make_room(int64_t blocks, bool keep_candidates) {
  if (!keep_candidates) impl_->piece_views.clear();
  if (impl_->pool.blocks_left() < blocks && impl_->tiers) impl_->tiers->release_copies();
  while (impl_->pool.blocks_left() < blocks)
    if (!impl_->evict(keep_candidates)) return false;
  return true;
}

// Last of all what a prompt waits for, which the next look-up will find.
bool DonorStore::Impl::evict(bool keep_candidates) {
  const int64_t next = held.lookup + 1;
  return held.order.evict(keep_candidates ? held.lookup : next) ||
         (tiers && tiers->release_fetches()) || (!keep_candidates && held.order.evict(next + 1));
}

void DonorStore::Impl::expire() {
  const double time_to_live = held.options.time_to_live_s;
  if (time_to_live > 0) held.order.expire(held.now() - time_to_live);
}

void DonorStore::set_quotas(const std::map<std::string, int64_t>& bytes) {
  std::map<std::string, int64_t> limits;
  const auto block = static_cast<int64_t>(impl_->pool.layout().block_bytes());
  for (const auto& [owner, most] : bytes) limits[Residency::name_of(owner)] = most / block;
  impl_->held.order.set_limits(std::move(limits));
  impl_->held.order.trim(impl_->held.lookup + 1);
}

const DonorEvictions& DonorStore::evictions() const {
  return impl_->held.order.evictions();
}

int64_t DonorStore::size() const {
  int64_t donors = impl_->everyone.size();
  for (const auto& [tenant, partition] : impl_->tenants) donors += partition.size();
  return donors;
}

int64_t DonorStore::index_bytes() const {
  int64_t bytes = impl_->everyone.index_bytes();
  for (const auto& [tenant, partition] : impl_->tenants) bytes += partition.index_bytes();
  return bytes;
}

}  // namespace kvs
