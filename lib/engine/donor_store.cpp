#include "kvs/donor_store.h"

#include <optional>
#include <unordered_map>
#include <utility>

#include "engine/donor_partition.h"
#include "engine/indexed_donors.h"
#include "kvs/kv_archive.h"

namespace kvs {

struct DonorStore::Impl {
  explicit Impl(KvPool& p) : pool(p) {}

  void offer(ResidentDonor& donor, std::vector<ReuseDonor>& found);
  bool drop_oldest(int64_t used_before);

  KvPool& pool;
  int64_t lookups = 0;
  std::unordered_map<std::string, DonorPartition> tenants;
  DonorPartition everyone;
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

void DonorStore::preload(const std::filesystem::path& path, const ArchiveHeader& expected) {
  const ArchiveFile archive(path);
  for (const ArchiveMember& member : archive.members())
    require_same_model(member.header, expected, path.string());
  ArchivedRows rows(impl_->pool);
  for (size_t index = 0; index < archive.prompt_count(); ++index) {
    PromptRecord prompt = archive.read_prompt(index);
    make_room(static_cast<int64_t>(prompt.tokens.size()) / kBlockTokens + 2);
    ResidentDonor donor{.id = prompt.id,
                        .view = rows.load(archive, archive.prompt_member(index), prompt)};
    if (donor.view.size() == 0) continue;
    donor.tokens = std::move(prompt.tokens);
    donor.tokens.resize(donor.view.size());
    const bool shared = prompt.visibility == Visibility::everyone;
    (shared ? impl_->everyone : impl_->tenants[prompt.tenant]).add(std::move(donor));
  }
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

  const int64_t indexed_use = indexed ? indexed->oldest(oldest_use) : -1;
  if (indexed_use >= 0)
    indexed->drop_oldest(oldest_use);
  else if (owner)
    owner->remove(oldest_key);
  return indexed_use >= 0 || owner;
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
