#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "engine/blob_codec.h"
#include "engine/donor_tier.h"

// What is found in the store: at the start all of it, later what others put there.
namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kNotedAtOnce = 16;  // each takes some tenths of a millisecond

}  // namespace

void DonorTier::take_in() {
  for (const WriteEnd& end : writer_.take_ends()) note(end);
  TierNews news = reader_.take_news();
  whole_look_ = std::max(whole_look_, news.whole_look);
  state_.damaged += news.damaged;
  note_pieces(news.pieces);
  std::ranges::stable_sort(news.prompts, {}, [](const FoundPrompt& f) { return f.prompt.time; });
  std::move(news.prompts.begin(), news.prompts.end(), std::back_inserter(found_));
  for (size_t noted = 0; noted < kNotedAtOnce && !found_.empty(); ++noted) {
    FoundPrompt found = std::move(found_.front());
    found_.pop_front();
    note(std::move(found));
  }
  if (found_.empty()) end_looks();
  expire();
}

bool DonorTier::wait_for_first_look(Clock::time_point deadline) {
  while (Clock::now() < deadline) {
    const bool idle = found_.empty();
    const bool over = reader_.wait_for_news(idle ? deadline : Clock::time_point());
    take_in();
    if (over && found_.empty()) return true;
  }
  return false;
}

// What is there before its donors are known.
void DonorTier::note_pieces(const std::vector<Blob>& pieces) {
  for (const Blob& blob : pieces) {
    const auto [at, is_new] = pieces_.try_emplace(blob.name.id);
    if (!is_new) continue;
    at->second = {.bytes = blob.bytes, .written = true};
    used_ += blob.bytes;
    listed_.push_back(blob);
  }
}

// All that was there when the last whole look began is known.
void DonorTier::end_looks() {
  if (whole_look_ > 0) remove_orphans();
  std::erase_if(forgotten_, [&](const Forgotten& call) { return call.looks < whole_look_; });
}

void DonorTier::remove_orphans() {
  for (const Blob& blob : std::exchange(listed_, {})) {
    const auto piece = pieces_.find(blob.name.id);
    if (piece == pieces_.end() || piece->second.references > 0) continue;
    used_ -= piece->second.bytes;
    pieces_.erase(piece);
    writer_.remove(blob.name);
  }
}

void DonorTier::note(FoundPrompt found) {
  const BlobName& name = found.blob.name;
  PromptRecord& prompt = found.prompt;
  if (entries_.contains(name.id)) return;
  if (was_forgotten(prompt)) return discard(found);
  std::vector<Hash128> pieces = piece_ids(header_.fingerprint, prompt.tenant, prompt.tokens);
  const bool whole = !store_->exclusive() ||
                     std::all_of(pieces.begin(), pieces.end(),
                                 [&](const Hash128& piece) { return pieces_.contains(piece); });
  // Another machine's clock may be ahead.
  const double time = std::min(static_cast<double>(prompt.time), seconds_now());
  const auto tokens = std::ssize(prompt.tokens);
  ResidentDonor donor{.id = std::move(prompt.id), .tokens = std::move(prompt.tokens), .view = {}};
  if (is_shared() && is_old(time)) return;  // others may keep theirs for longer
  const bool needless = has_holder(prompt.tenant, donor);
  // Written before donors had owners: in a group nobody's share would pay for it, and it would pass
  // for another holder of what is to be published.
  const bool ownerless = prompt.owner.empty() && !prompt.tenant.empty();
  if (!whole) ++state_.damaged;
  if (!whole || is_old(time) || needless || ownerless) return writer_.remove(name);
  Entry& entry = claim(name.id,
                       {.tenant = prompt.tenant,
                        .owner = std::move(prompt.owner),
                        .pieces = std::move(pieces),
                        .time = time},
                       tokens);
  for (const Hash128& piece : entry.pieces) pieces_.at(piece).written = true;
  if (found.blob.bytes > 0)
    used_ += found.blob.bytes - std::exchange(entry.bytes, found.blob.bytes);
  const bool comparable = prompt.embedder == options_.embedder;
  list(name.id, std::move(donor), comparable ? prompt.embedding : std::vector<float>());
  make_room();
}

}  // namespace kvs
