#include <iterator>
#include <utility>

#include "engine/donor_store_impl.h"

namespace kvs {

int64_t DonorStore::Impl::forget_in(const std::string* tenant, const DonorFilter& which) {
  DonorPartition& partition = partition_of(tenant);
  int64_t count = 0;
  for (const DonorPartition::Key key : partition.keys()) {
    const ResidentDonor& donor = partition.get(key);
    if (!which({.id = donor.id,
                .tenant = tenant ? *tenant : std::string_view(),
                .everyone = !tenant,
                .tokens = donor.tokens}))
      continue;
    remove(partition, key);
    ++count;
  }
  return count;
}

int64_t DonorStore::Impl::forget_conversations(const DonorFilter& which) {
  const size_t count = std::erase_if(conversations, [&](const auto& entry) {
    const ResidentDonor& last = entry.second;
    if (!which({.id = last.id, .tenant = entry.first.first, .tokens = last.tokens})) return false;
    held.order.remove(last.item);
    return true;
  });
  return static_cast<int64_t>(count);
}

std::vector<ForgottenDonors> DonorStore::forget(const DonorFilter& which) {
  Impl& impl = *impl_;
  impl.piece_views.clear();
  int64_t count =
      impl.forget_in(nullptr, which) + impl.forget_conversations(which) + impl.edited.forget(which);
  for (const auto& [tenant, partition] : impl.tenants) count += impl.forget_in(&tenant, which);
  std::erase_if(impl.tenants, [](const auto& entry) { return entry.second.size() == 0; });
  impl.embedded = {};  // it may be the text of one of them
  std::vector<ForgottenDonors> forgotten{{.place = "memory", .donors = count}};
  if (impl.tiers)
    for (ForgottenDonors& of_tier : impl.tiers->forget(which))
      forgotten.push_back(std::move(of_tier));
  return forgotten;
}

}  // namespace kvs
