#include <algorithm>
#include <optional>
#include <utility>

#include "engine/donor_store_impl.h"
#include "engine/tier_choice.h"
#include "kvs/cost_model.h"

namespace kvs {

using std::chrono::steady_clock;

namespace {

// Rows that would take longer to come are computed instead.
std::optional<std::chrono::microseconds> time_to_compute(int64_t tokens, const CostModel* costs) {
  if (!costs) return std::nullopt;
  const double ms = costs->ms_per_row * static_cast<double>(tokens);
  return std::chrono::microseconds(static_cast<int64_t>(1000 * ms));
}

}  // namespace

void DonorStore::open_tiers(const TierOptions& options, const ArchiveHeader& expected) {
  Impl& impl = *impl_;
  impl.tiers = std::make_unique<DonorTiers>(
      impl.pool, options, expected, impl.held.options.time_to_live_s,
      DonorTiers::Memory{
          .keep =
              [&impl](const std::string& tenant, ResidentDonor donor, DonorPlace place) {
                const auto item = impl.insert(&tenant, std::move(donor), false);
                if (!item) return;
                impl.held.order.see(*item, impl.held.lookup + 1);
                impl.note_origin(*item, place);
              },
          .make_room = [this](int64_t blocks) { return make_room(blocks, true); }});
}

// Of the last ones only: what is not used soon may be gone, and counts as memory's.
void DonorStore::Impl::note_origin(EvictionOrder::Item item, DonorPlace place) {
  constexpr size_t kMost = 1024;
  origins[item] = place;
  if (origins.size() > kMost) origins.erase(origins.begin());
}

DonorPlace DonorStore::Impl::take_origin(EvictionOrder::Item item) {
  const auto origin = origins.extract(item);
  return origin ? origin.mapped() : DonorPlace::memory;
}

void DonorStore::add_to_tiers(std::string_view id, std::string_view tenant,
                              std::span<const int32_t> tokens, const KvView& view,
                              std::string_view owner) {
  if (!impl_->tiers || tenant == kPublished) return;  // where nobody would look for it
  const int64_t rows = std::min<int64_t>(view.exact_rows(), std::ssize(tokens));
  DonorToWrite donor{.id = std::string(id),
                     .tenant = std::string(tenant),
                     .tokens = {tokens.begin(), tokens.begin() + rows}};
  donor.view.append_shared(view, 0, rows, true);
  donor.embedding = impl_->embedding_of(tenant, donor.tokens);
  donor.owner = owner;
  impl_->tiers->add(donor);
}

// The tenant's part of the tiers, without what memory can do as well or its owner has no quota for.
std::vector<DonorTiers::Offer> DonorStore::Impl::offers(
    const DonorLookup& lookup, std::vector<std::span<const int32_t>>& at_hand) {
  const std::string tenant(lookup.tenant);
  std::vector<DonorTiers::Offer> offers = tiers->find(tenant, lookup.tokens);
  const std::vector<DonorPartition*> seen = visible(lookup.tenant);
  int64_t most = 0;
  for (DonorPartition* partition : seen)
    for (const DonorPartition::Candidate& candidate : partition->find(lookup.tokens)) {
      most = std::max(most, candidate.tokens);
      at_hand.emplace_back(partition->get(candidate.key).tokens);
    }
  for (const auto& [donor, rows] : published_pieces(lookup)) {
    most = std::max(most, rows.end - rows.first);
    at_hand.emplace_back(std::span(donor->tokens).subspan(rows.first, rows.end - rows.first));
  }
  if (2 * most < std::ssize(lookup.tokens) && tiers->has_vectors(tenant))
    if (const std::vector<float> embedding = embedding_of(lookup.tenant, lookup.tokens);
        !embedding.empty())
      tiers->find_near(tenant, embedding, offers);
  std::erase_if(offers, [&](const DonorTiers::Offer& offer) {
    const auto& tokens = offer.donor.tokens;
    const auto blocks = (std::ssize(tokens) + kBlockTokens - 1) / kBlockTokens;
    const std::string& owner = offer.donor.owner.empty() ? tenant : offer.donor.owner;
    if (!held.order.may_hold(Residency::name_of(owner), blocks)) return true;
    const ResidentDonor donor{.id = {}, .tokens = {tokens.begin(), tokens.end()}, .view = {}};
    return std::any_of(seen.begin(), seen.end(), [&](const DonorPartition* partition) {
      return partition->find_holder(donor).has_value();
    });
  });
  return offers;
}

Prefetch DonorStore::prefetch(const DonorLookup& lookup, const ReuseOptions& options) {
  Impl& impl = *impl_;
  if (!impl.tiers) return {};
  std::vector<std::span<const int32_t>> at_hand, offered;
  std::vector<DonorTiers::Offer> chosen;
  const std::vector<DonorTiers::Offer> offers = impl.offers(lookup, at_hand);
  for (const DonorTiers::Offer& offer : offers) offered.push_back(offer.donor.tokens);
  const TierChoice choice = choose_donors(lookup.tokens, at_hand, offered, options);
  for (const size_t index : choice.donors) chosen.push_back(offers[index]);
  return impl.tiers->fetch(lookup, chosen, time_to_compute(choice.tokens, options.costs));
}

bool DonorStore::arriving(Prefetch& prefetch) {
  return impl_->tiers && impl_->tiers->arriving(prefetch);
}

double DonorStore::ms_to_spare(const Prefetch& prefetch) const {
  return impl_->tiers ? impl_->tiers->ms_to_spare(prefetch) : 0;
}

void DonorStore::begin_with(const Prefetch& prefetch, std::span<const int32_t> tokens,
                            const KvView& view) {
  if (impl_->tiers) impl_->tiers->begin_with(prefetch, tokens, view);
}

void DonorStore::wait_for_tiers(std::chrono::milliseconds most) {
  if (impl_->tiers) impl_->tiers->wait(steady_clock::now() + most);
}

bool DonorStore::work_on_tiers() {
  impl_->expire();
  return impl_->tiers && impl_->tiers->work();
}

bool DonorStore::finish_tiers(std::chrono::milliseconds most) {
  return !impl_->tiers || impl_->tiers->finish(steady_clock::now() + most);
}

std::vector<TierState> DonorStore::tiers() const {
  return impl_->tiers ? impl_->tiers->states() : std::vector<TierState>();
}

}  // namespace kvs
