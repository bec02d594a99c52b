#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/common_spans.h"
#include "engine/donor_partition.h"
#include "engine/donor_tiers.h"
#include "engine/edited_prompts.h"
#include "engine/indexed_donors.h"
#include "engine/residency.h"
#include "kvs/donor_store.h"

namespace kvs {

/// What a DonorStore holds. donor_store.cpp is about memory; the other files are named after what
/// they are about.
struct DonorStore::Impl {
  Impl(KvPool& p, DonorStoreOptions options) : pool(p), held{.options = std::move(options)} {}

  DonorPartition& partition_of(const std::string* tenant) {
    return tenant ? tenants[*tenant] : everyone;
  }
  DonorPartition* find_partition(const std::string* tenant);
  std::vector<DonorPartition*> visible(std::string_view tenant);
  struct Piece {
    ResidentDonor* donor;
    TokenRange rows;
  };
  /// What a prompt may use of published text.
  std::vector<Piece> published_pieces(const DonorLookup& lookup);
  bool takes_part(std::string_view tenant) const;
  std::map<std::string, std::vector<std::span<const int32_t>>> texts_of_others(
      const DonorLookup& lookup);
  std::vector<float> embedding_of(std::string_view tenant, std::span<const int32_t> tokens);
  /// The item of what is held then; none where there is no room for it in the owner's quota.
  std::optional<EvictionOrder::Item> insert(const std::string* tenant, ResidentDonor donor,
                                            bool pinned);
  bool evict(bool keep_candidates);
  void expire();
  void pin(const ResidentDonor& donor);
  void remove(DonorPartition& partition, DonorPartition::Key key);
  void drop(const std::string* tenant, DonorPartition::Key key);
  std::vector<DonorTiers::Offer> offers(const DonorLookup& lookup,
                                        std::vector<std::span<const int32_t>>& at_hand);
  /// `rows` of it at most.
  void offer(ResidentDonor& donor, int64_t rows, double similarity, std::vector<ReuseDonor>& found);
  void offer(const Piece& piece, std::vector<ReuseDonor>& found);
  void find_resident(const DonorLookup& lookup, std::vector<ReuseDonor>& found);
  int64_t forget_in(const std::string* tenant, const DonorFilter& which);
  int64_t forget_conversations(const DonorFilter& which);
  void add_own_rows(PromptRecord prompt, const KvView& view, bool pinned);
  void note_origin(EvictionOrder::Item item, DonorPlace place);
  DonorPlace take_origin(EvictionOrder::Item item);

  KvPool& pool;
  Residency held;
  std::unordered_map<std::string, DonorPartition> tenants;  // of those with donors
  DonorPartition everyone;
  EditedPrompts edited{held};
  std::map<std::pair<std::string, std::string>, ResidentDonor> conversations;  // of tenants
  PublicationRules publication;
  std::deque<KvView> piece_views;  // what the last look-up found of published donors
  std::optional<IndexedDonors> indexed;
  Embed embed;
  struct {
    std::string tenant;
    std::vector<int32_t> tokens;
    std::vector<float> vector;
  } embedded;  // the last text, of one tenant: the time it takes must not tell of others
  std::vector<std::string> warnings;
  std::map<EvictionOrder::Item, KvView> pinned_views;
  std::map<EvictionOrder::Item, DonorPlace> origins;  // of what came from a tier, until it is used
  std::unique_ptr<DonorTiers> tiers;
};

}  // namespace kvs
