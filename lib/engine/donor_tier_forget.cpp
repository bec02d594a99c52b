#include <algorithm>
#include <utility>

#include "engine/blob_codec.h"
#include "engine/donor_tier.h"

namespace kvs {
namespace {

constexpr size_t kMaxForgotten = 2048;  // calls of forget_all() that wait

KeptDonor shown(const DonorToWrite& donor) {
  return {.id = donor.id, .tenant = donor.tenant, .tokens = donor.tokens};
}

KeptDonor shown(const PromptRecord& prompt) {
  return {.id = prompt.id, .tenant = prompt.tenant, .tokens = prompt.tokens};
}

}  // namespace

std::vector<Hash128> DonorTier::listed_ids(const DonorFilter& which) {
  std::vector<Hash128> ids;
  for (auto& [tenant, group] : groups_)
    for (const auto& [key, id] : group.ids) {
      const ResidentDonor& donor = group.donors.get(key);
      if (which({.id = donor.id, .tenant = tenant, .tokens = donor.tokens})) ids.push_back(id);
    }
  return ids;
}

// What cannot be removed now stays known, so that it goes when somebody asks again.
ForgottenDonors DonorTier::forget_all(const DonorFilter& which) {
  take_in();
  const std::vector<Hash128> listed = reachable() ? listed_ids(which) : std::vector<Hash128>();
  for (const Hash128& id : listed) forget(id);
  size_t others = std::erase_if(copies_, [&](const Copy& copy) {
    if (!which(shown(copy.donor))) return false;
    forget(copy.id);
    return true;
  });
  others += std::erase_if(writes_, [&](const auto& write) {
    const Copy& copy = write.second;
    if (!which(shown(copy.donor))) return false;
    forget(copy.id);
    writer_.remove(prompt_name(copy.donor.tenant, copy.id));  // behind what is being written
    return true;
  });
  others += std::erase_if(found_, [&](const FoundPrompt& found) {
    if (!which(shown(found.prompt))) return false;
    discard(found);
    return true;
  });
  const bool later = forget_later(which);
  return {.place = donor_place_name(options_.place),
          .donors = std::ssize(listed) + static_cast<int64_t>(others),
          .reachable = reachable() && later};
}

// False where no more can be remembered.
bool DonorTier::forget_later(const DonorFilter& which) {
  if (store_->exclusive() && whole_look_ > 0) return true;  // nothing else is found any more
  if (forgotten_.size() == kMaxForgotten) return false;
  forgotten_.push_back({.time = seconds_now(), .looks = reader_.looks(), .which = which});
  return true;
}

bool DonorTier::was_forgotten(const PromptRecord& prompt) const {
  return std::any_of(forgotten_.begin(), forgotten_.end(), [&](const Forgotten& call) {
    return static_cast<double>(prompt.time) <= call.time && call.which(shown(prompt));
  });
}

// Pieces that are known and that no donor needs go as orphans.
void DonorTier::discard(const FoundPrompt& found) {
  const PromptRecord& prompt = found.prompt;
  writer_.remove(found.blob.name);
  for (const Hash128& piece : piece_ids(header_.fingerprint, prompt.tenant, prompt.tokens))
    if (!pieces_.contains(piece)) writer_.remove(rows_name(prompt.tenant, piece));
}

}  // namespace kvs
