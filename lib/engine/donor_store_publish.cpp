#include "engine/common_spans.h"
#include "engine/donor_store_impl.h"
#include "engine/published_pieces.h"
#include "kvs/cover.h"

namespace kvs {
namespace {

using Texts = std::vector<std::span<const int32_t>>;

constexpr CoverOptions kWholePieces{
    .min_span = PublicationRules::kMinTokens, .span_cost = 0, .donor_cost = 0};

}  // namespace

void DonorStore::publish_by(PublicationRules rules) {
  impl_->publication = std::move(rules);
}

bool DonorStore::Impl::takes_part(std::string_view tenant) const {
  return publication.holders > 1 && publication.takes_part && publication.takes_part(tenant);
}

// Of each owner but the asking one, the donors that may have a piece of the text.
std::map<std::string, Texts> DonorStore::Impl::texts_of_others(const DonorLookup& lookup) {
  const std::string own = Residency::owner_of(lookup);
  std::map<std::string, Texts> texts;
  for (auto& [tenant, partition] : tenants) {
    if (tenant == kPublished || !takes_part(tenant)) continue;
    for (const DonorPartition::Candidate& candidate : partition.find(lookup.tokens)) {
      if (4 * candidate.tokens < PublicationRules::kMinTokens) continue;  // it is an estimate
      const ResidentDonor& donor = partition.get(candidate.key);
      const std::string& owner = donor.owner.empty() ? tenant : donor.owner;
      if (owner != own) texts[owner].emplace_back(donor.tokens);
    }
  }
  return texts;
}

std::vector<std::span<const int32_t>> DonorStore::find_common(const DonorLookup& lookup) {
  if (!impl_->takes_part(lookup.tenant)) return {};
  std::vector<std::vector<SourceSpan>> covers;
  for (const auto& [owner, texts] : impl_->texts_of_others(lookup))
    covers.push_back(cover(lookup.tokens, texts, kWholePieces));
  std::vector<std::span<const int32_t>> common;
  const auto others = static_cast<size_t>(impl_->publication.holders - 1);
  for (const auto& [first, end] : common_spans(covers, others, PublicationRules::kMinTokens))
    common.push_back(lookup.tokens.subspan(first, end - first));
  return common;
}

std::vector<DonorStore::Impl::Piece> DonorStore::Impl::published_pieces(const DonorLookup& lookup) {
  const std::string published(kPublished);
  DonorPartition* const texts = find_partition(&published);
  if (!texts || lookup.tenant == published || !takes_part(lookup.tenant)) return {};
  std::vector<Piece> pieces;
  const PublishedPieces of_prompt(lookup.tokens);
  for (const DonorPartition::Candidate& candidate : texts->find(lookup.tokens)) {
    ResidentDonor& donor = texts->get(candidate.key);
    const int64_t first = held.options.bos == donor.tokens.front() ? 1 : 0;
    for (const TokenRange& rows : of_prompt.find(donor.tokens, first))
      pieces.push_back({&donor, rows});
  }
  return pieces;
}

// As a donor of its own, exact where it begins one. How alike the whole text is would tell of it.
void DonorStore::Impl::offer(const Piece& piece, std::vector<ReuseDonor>& found) {
  const auto [first, end] = piece.rows;
  KvView& view = piece_views.emplace_back();
  view.append_shared(piece.donor->view, first, end - first, first == 0);
  held.order.see(piece.donor->item, held.lookup);
  found.push_back({.id = piece.donor->id,
                   .tokens = std::span(piece.donor->tokens).subspan(first, end - first),
                   .exact_rows = view.exact_rows(),
                   .view = &view,
                   .item = piece.donor->item});
}

bool DonorStore::may_publish(std::string_view tenant) const {
  return impl_->takes_part(tenant);
}

int64_t DonorStore::published() const {
  const auto texts = impl_->tenants.find(std::string(kPublished));
  return texts == impl_->tenants.end() ? 0 : texts->second.size();
}

}  // namespace kvs
