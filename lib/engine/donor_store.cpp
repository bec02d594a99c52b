#include "kvs/donor_store.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "engine/donor_partition.h"
#include "engine/edited_prompts.h"
#include "engine/indexed_donors.h"
#include "kvs/kv_archive.h"

namespace kvs {

struct DonorStore::Impl {
  explicit Impl(KvPool& p) : pool(p) {}

  void offer(ResidentDonor& donor, std::vector<ReuseDonor>& found);
  bool drop_oldest(int64_t used_before);
  void add_own_rows(PromptRecord prompt, const KvView& view);

  KvPool& pool;
  int64_t lookups = 0;
  std::unordered_map<std::string, DonorPartition> tenants;
  DonorPartition everyone;
  EditedPrompts edited;
  std::unordered_map<std::string, ResidentDonor> conversations;
  std::optional<IndexedDonors> indexed;
  std::vector<std::string> warnings;
};

DonorStore::DonorStore(KvPool& pool) : impl_(std::make_unique<Impl>(pool)) {}
DonorStore::~DonorStore() = default;

namespace {

ResidentDonor exact_part(std::string id, std::vector<int32_t> tokens, const KvView& view) {
  const int64_t exact = std::min<int64_t>(view.exact_rows(), tokens.size());
  tokens.resize(exact);
  ResidentDonor donor{.id = std::move(id), .tokens = std::move(tokens)};
  donor.view.append_shared(view, 0, exact, true);
  return donor;
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

}  // namespace

void DonorStore::add(std::string id, std::string_view tenant, std::vector<int32_t> tokens,
                     const KvView& view) {
  ResidentDonor donor = exact_part(std::move(id), std::move(tokens), view);
  donor.used = impl_->lookups;
  if (!donor.tokens.empty()) impl_->tenants[std::string(tenant)].add(std::move(donor));
}

void DonorStore::keep_conversation(std::string_view conversation, std::vector<int32_t> tokens,
                                   const KvView& view) {
  ResidentDonor donor{.id = std::string(conversation), .tokens = std::move(tokens)};
  donor.view.append_shared(view, 0, view.size(), true);
  impl_->conversations[donor.id] = std::move(donor);
}

void DonorStore::go_on_over(std::string_view conversation, std::span<const int32_t> tokens,
                            const KvView& view) {
  const auto kept = impl_->conversations.find(std::string(conversation));
  if (kept == impl_->conversations.end() || !std::ranges::equal(kept->second.tokens, tokens))
    return;
  kept->second.view = view;
}

void DonorStore::preload(const std::filesystem::path& path, const ArchiveHeader& expected) {
  const ArchiveFile archive(path);
  for (const ArchiveMember& member : archive.members())
    require_same_model(member.header, expected, path.string());
  ArchivedRows rows(impl_->pool);
  for (size_t index = 0; index < archive.prompt_count(); ++index) {
    PromptRecord prompt = archive.read_prompt(index);
    const size_t member = archive.prompt_member(index);
    make_room(blocks_of(archive, member, prompt));
    const KvView own = rows.load(archive, member, prompt);
    impl_->add_own_rows(prompt, own);
    if (!is_edited(prompt, own.size())) continue;
    std::vector<ArchivedPiece> pieces = rows.load_pieces(archive, member, prompt);
    impl_->edited.add(std::move(prompt), std::move(pieces));
  }
}

void DonorStore::Impl::add_own_rows(PromptRecord prompt, const KvView& view) {
  if (view.size() == 0) return;
  prompt.tokens.resize(view.size());
  ResidentDonor donor{.id = prompt.id, .tokens = std::move(prompt.tokens), .view = view};
  const bool shared = prompt.visibility == Visibility::everyone;
  (shared ? everyone : tenants[prompt.tenant]).add(std::move(donor));
}

void DonorStore::open_index(const std::filesystem::path& directory, const ArchiveHeader& expected,
                            Embed embed) {
  impl_->indexed.emplace(directory, expected, impl_->pool, std::move(embed));
}

std::vector<std::string> DonorStore::take_warnings() {
  return std::exchange(impl_->warnings, {});
}

void DonorStore::Impl::offer(ResidentDonor& donor, std::vector<ReuseDonor>& found) {
  donor.used = lookups;
  found.push_back({.id = donor.id,
                   .tokens = donor.tokens,
                   .exact_rows = donor.view.exact_rows(),
                   .view = &donor.view});
}

std::vector<ReuseDonor> DonorStore::find(const DonorLookup& lookup) {
  Impl& impl = *impl_;
  ++impl.lookups;
  std::vector<ReuseDonor> found;
  const auto conversation = impl.conversations.find(std::string(lookup.conversation));
  if (conversation != impl.conversations.end()) impl.offer(conversation->second, found);
  impl.edited.find(lookup, impl.lookups, found);

  const auto search = [&](DonorPartition& partition) {
    for (const DonorPartition::Key key : partition.find(lookup.tokens))
      impl.offer(partition.get(key), found);
  };
  const auto tenant = impl.tenants.find(std::string(lookup.tenant));
  if (tenant != impl.tenants.end()) search(tenant->second);
  search(impl.everyone);
  if (impl.indexed) impl.indexed->find(lookup, impl.lookups, found, impl.warnings);
  return found;
}

void DonorStore::load(ReuseDonor& donor) {
  if (donor.view) return;
  const auto blocks = static_cast<int64_t>(donor.tokens.size()) / kBlockTokens + 1;
  make_room(blocks, /*keep_candidates=*/true);
  impl_->indexed->load(donor);
}

bool DonorStore::Impl::drop_oldest(int64_t used_before) {
  DonorPartition* owner = nullptr;
  DonorPartition::Key oldest_key = 0;
  int64_t oldest_use = used_before;
  const auto look = [&](DonorPartition& partition) {
    DonorPartition::Key key = 0;
    const ResidentDonor* donor = partition.oldest(oldest_use, key);
    if (!donor) return;
    owner = &partition;
    oldest_key = key;
    oldest_use = donor->used;
  };
  for (auto& [tenant, partition] : tenants) look(partition);
  look(everyone);

  const int64_t edited_use = edited.oldest(oldest_use);
  if (edited_use >= 0) oldest_use = edited_use;
  const int64_t indexed_use = indexed ? indexed->oldest(oldest_use) : -1;
  if (indexed_use >= 0)
    indexed->drop_oldest(oldest_use);
  else if (edited_use >= 0)
    edited.drop_oldest(oldest_use + 1);
  else if (owner)
    owner->remove(oldest_key);
  return indexed_use >= 0 || edited_use >= 0 || owner;
}

bool DonorStore::make_room(int64_t blocks, bool keep_candidates) {
  const int64_t used_before = keep_candidates ? impl_->lookups : impl_->lookups + 1;
  while (impl_->pool.blocks_left() < blocks)
    if (!impl_->drop_oldest(used_before)) return false;
  return true;
}

int64_t DonorStore::size() const {
  int64_t donors = impl_->everyone.size();
  for (const auto& [tenant, partition] : impl_->tenants) donors += partition.size();
  return donors;
}

}  // namespace kvs
