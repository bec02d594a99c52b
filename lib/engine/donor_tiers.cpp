#include "engine/donor_tiers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "base/common_ends.h"
#include "engine/record_rows.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

// Rows of one model are rows of another where all of this is equal.
Hash128 model_key(const ArchiveHeader& header) {
  const KvLayout& layout = header.layout;
  return Hasher()
      .add(fmt::format("{} {} {} {} {} {} {} {}", header.version, header.fingerprint,
                       header.tokenizer, layout.layers, layout.kv_heads, layout.head_dim,
                       dtype_name(layout.type), pairing_name(header.rope)))
      .digest();
}

}  // namespace

DonorTiers::DonorTiers(KvPool& pool, const TierOptions& options, const ArchiveHeader& header,
                       double time_to_live_s, Memory memory)
    : pool_(pool), memory_(std::move(memory)), patience_(options.load_ms) {
  const Hash128 model = model_key(header);
  const HostAllocator host_memory = [&backend = pool.backend()](size_t bytes) {
    return backend.host_memory(bytes);
  };
  const auto open = [&](DonorPlace place, std::unique_ptr<BlobStore> store, int64_t bytes) {
    tiers_.push_back(
        std::make_unique<DonorTier>(std::move(store), header,
                                    DonorTier::Options{.place = place,
                                                       .max_bytes = bytes,
                                                       .time_to_live_s = time_to_live_s,
                                                       .embedder = options.embedder,
                                                       .memory = host_memory}));
  };
  if (options.host_bytes > 0) open(DonorPlace::host, make_memory_blobs(), options.host_bytes);
  if (!options.disk.empty()) {
    const auto folder = std::filesystem::path(options.disk) / to_hex(model);
    open(DonorPlace::disk, open_folder_blobs(folder.string()), options.disk_bytes);
  }
  if (!options.store.empty())
    open(DonorPlace::redis, open_redis_blobs(options.store, model, time_to_live_s), 0);
  for (const auto& tier : tiers_) {
    const int64_t patience_ms = options.first_look_ms / (tier->is_shared() ? 3 : 1);
    tier->wait_for_first_look(Clock::now() + std::chrono::milliseconds(patience_ms));
  }
}

void DonorTiers::add(const DonorToWrite& donor) {
  for (const auto& tier : tiers_) tier->add(donor);
}

std::vector<DonorTiers::Offer> DonorTiers::find(const std::string& tenant,
                                                std::span<const int32_t> tokens) {
  std::vector<Offer> offers;
  for (const auto& tier : tiers_) {
    tier->take_in();
    if (!tier->reachable()) continue;
    for (const TierDonor& donor : tier->find(tenant, tokens)) {
      const auto same = [&](const Offer& offer) { return offer.donor.id == donor.id; };
      if (std::none_of(offers.begin(), offers.end(), same)) offers.push_back({tier.get(), donor});
    }
  }
  return offers;
}

void DonorTiers::find_near(const std::string& tenant, std::span<const float> embedding,
                           std::vector<Offer>& offers) {
  for (const auto& tier : tiers_) {
    if (!tier->reachable()) continue;
    for (const TierDonor& donor : tier->find_near(tenant, embedding)) {
      const auto same = [&](const Offer& offer) { return offer.donor.id == donor.id; };
      if (std::none_of(offers.begin(), offers.end(), same)) offers.push_back({tier.get(), donor});
    }
  }
}

bool DonorTiers::has_vectors(const std::string& tenant) const {
  return std::any_of(tiers_.begin(), tiers_.end(),
                     [&](const auto& tier) { return tier->has_vectors(tenant); });
}

Prefetch DonorTiers::fetch(const DonorLookup& lookup, std::span<const Offer> chosen,
                           std::optional<std::chrono::microseconds> most) {
  const std::string tenant(lookup.tenant);
  const std::chrono::microseconds patience = patience_;
  Prefetch prefetch{.deadline = Clock::now() + std::min(patience, most.value_or(patience))};
  for (const auto& tier : tiers_) {
    const auto of_tier = [&](const Offer& offer) { return offer.tier == tier.get(); };
    if (std::none_of(chosen.begin(), chosen.end(), of_tier)) tier->count_miss();
  }
  for (const Offer& offer : chosen) {
    const auto known = std::find_if(fetches_.begin(), fetches_.end(), [&](const auto& entry) {
      return entry.second.id == offer.donor.id;
    });
    if (known != fetches_.end()) {
      prefetch.fetches.push_back(known->first);
      continue;
    }
    const uint64_t number = next_fetch_++;
    const size_t pieces = (offer.donor.tokens.size() + kMaxKvTokens - 1) / kMaxKvTokens;
    fetches_[number] = {.tier = offer.tier,
                        .tenant = tenant,
                        .id = offer.donor.id,
                        .donor = {.id = offer.donor.name,
                                  .tokens = {offer.donor.tokens.begin(), offer.donor.tokens.end()},
                                  .view = {},
                                  .owner = offer.donor.owner,
                                  .age_s = offer.donor.age_s},
                        .pieces = std::vector<KvView>(pieces),
                        .last = Clock::now()};
    prefetch.fetches.push_back(number);
    offer.tier->read(number, tenant, offer.donor.id);
  }
  return prefetch;
}

bool DonorTiers::arriving(Prefetch& prefetch) {
  std::erase_if(prefetch.fetches, [&](uint64_t fetch) { return !fetches_.contains(fetch); });
  if (prefetch.fetches.empty()) return false;
  if (Clock::now() < prefetch.deadline) return true;
  for (const uint64_t fetch : prefetch.fetches) fetches_.at(fetch).tier->count_late();
  prefetch.fetches.clear();
  return false;
}

bool DonorTiers::work() {
  bool waits = false;
  for (const auto& tier : tiers_) {
    tier->take_in();
    tier->copy_piece(pool_);
    waits = tier->has_copies() || tier->has_found() || waits;
    take_results(*tier);
  }
  return waits;
}

void DonorTiers::take_results(DonorTier& tier) {
  const std::vector<ReadResult> results = tier.take_results();
  for (const ReadResult& result : results)
    if (fetches_.contains(result.fetch)) take(result.fetch, result);
  if (results.empty()) return;
  for (auto& [number, fetch] : fetches_)  // one after another is read
    if (fetch.tier == &tier) fetch.last = Clock::now();
}

void DonorTiers::take(uint64_t number, const ReadResult& result) {
  try {
    if (result.rows) return put(number, result);
    Fetch done = std::move(fetches_.at(number));
    fetches_.erase(number);
    const int64_t rows = done.rows_here();
    if (result.outcome == ReadOutcome::done) keep(std::move(done), rows);
  } catch (const Error&) {
    drop(number);  // the pool is full, or nothing can embed such tokens
  }
}

void DonorTiers::put(uint64_t number, const ReadResult& result) {
  const KvRecord& rows = *result.rows;
  const int64_t blocks = std::ssize(rows.tokens) / kBlockTokens + 1;
  const bool room = memory_.make_room(blocks);
  const auto fetch = fetches_.find(number);  // making room may have ended it
  if (fetch == fetches_.end()) return;
  if (!room) return drop(number);
  append_rows(fetch->second.pieces.at(rows.home / kMaxKvTokens), pool_, rows);
  fetch->second.ms += result.ms;
}

void DonorTiers::drop(uint64_t number) {
  const auto fetch = fetches_.find(number);
  if (fetch == fetches_.end()) return;
  fetch->second.tier->drop(number);
  fetches_.erase(fetch);
}

// `tokens` of it came from the tier.
void DonorTiers::keep(Fetch fetch, int64_t tokens) {
  for (const KvView& piece : fetch.pieces)
    fetch.donor.view.append_shared(piece, 0, piece.size(), true);
  const DonorPlace place = tokens > 0 ? fetch.tier->place() : DonorPlace::memory;
  memory_.keep(fetch.tenant, std::move(fetch.donor), place);
  if (tokens > 0) fetch.tier->count_hit(tokens);
}

int64_t DonorTiers::Fetch::rows_here() const {
  return std::accumulate(pieces.begin(), pieces.end(), int64_t{0},
                         [](int64_t rows, const KvView& piece) { return rows + piece.size(); });
}

// What is read ahead is not delayed while nobody takes it. Pieces count as whole ones.
double DonorTiers::Fetch::ms_to_spare() const {
  const auto here = std::count_if(pieces.begin(), pieces.end(),
                                  [](const KvView& piece) { return piece.size() > 0; });
  const std::chrono::duration<double, std::milli> silence = Clock::now() - last;
  const double pace = here > 0 ? ms / static_cast<double>(here) : 0;
  const auto ahead = std::min<int64_t>(std::ssize(pieces) - here, TierReader::kReadAhead);
  return static_cast<double>(ahead) * std::max(pace, silence.count());
}

double DonorTiers::ms_to_spare(const Prefetch& prefetch) const {
  double least = std::numeric_limits<double>::infinity();
  for (const uint64_t number : prefetch.fetches)
    if (const auto fetch = fetches_.find(number); fetch != fetches_.end())
      least = std::min(least, fetch->second.ms_to_spare());
  return std::isfinite(least) ? least : 0;
}

int64_t DonorTiers::Fetch::missing_up_to() const {
  size_t end = pieces.size();
  while (end > 0 && pieces[end - 1].size() > 0) --end;
  return std::min(static_cast<int64_t>(end) * kMaxKvTokens, rows());
}

void DonorTiers::begin_with(const Prefetch& prefetch, std::span<const int32_t> tokens,
                            const KvView& view) {
  for (const uint64_t number : prefetch.fetches) {
    const auto at = fetches_.find(number);
    if (at == fetches_.end()) continue;
    if (at->second.missing_up_to() > common_prefix(tokens, at->second.donor.tokens)) continue;
    Fetch fetch = std::move(at->second);
    fetches_.erase(at);
    fetch.tier->drop(number);
    const int64_t from_tier = fetch.rows_here();
    int64_t first = 0;
    for (KvView& piece : fetch.pieces) {
      const int64_t count = std::min<int64_t>(kMaxKvTokens, fetch.rows() - first);
      if (piece.size() == 0) piece.append_shared(view, first, count, true);
      first += count;
    }
    try {
      keep(std::move(fetch), from_tier);
    } catch (const Error&) {  // as where it comes whole
    }
  }
}

void DonorTiers::wait(Clock::time_point deadline) {
  // Any of them may be what is waited for; the nearest one mostly is.
  for (const auto& tier : tiers_) {
    const bool awaited = std::any_of(fetches_.begin(), fetches_.end(), [&](const auto& fetch) {
      return fetch.second.tier == tier.get();
    });
    if (awaited) return tier->wait_for_results(deadline);
  }
}

void DonorTiers::release_copies() {
  for (const auto& tier : tiers_) {
    while (tier->copy_piece(pool_)) {
    }
    tier->drop_copies();
  }
}

bool DonorTiers::release_fetches() {
  for (const auto& [number, fetch] : fetches_) fetch.tier->drop(number);
  return !std::exchange(fetches_, {}).empty();
}

bool DonorTiers::finish(Clock::time_point deadline) {
  bool finished = true;
  for (const auto& tier : tiers_) {
    do {
      while (tier->copy_piece(pool_)) {
      }
      finished = tier->wait_until_written(deadline) && finished;
    } while (finished && tier->has_copies());
  }
  return finished;
}

std::vector<ForgottenDonors> DonorTiers::forget(const DonorFilter& which) {
  std::erase_if(fetches_, [&](const auto& entry) {
    const Fetch& fetch = entry.second;
    const bool goes =
        which({.id = fetch.donor.id, .tenant = fetch.tenant, .tokens = fetch.donor.tokens});
    if (goes) fetch.tier->drop(entry.first);
    return goes;
  });
  std::vector<ForgottenDonors> forgotten;
  for (const auto& tier : tiers_) forgotten.push_back(tier->forget_all(which));
  return forgotten;
}

std::vector<TierState> DonorTiers::states() const {
  std::vector<TierState> states;
  for (const auto& tier : tiers_) states.push_back(tier->state());
  return states;
}

std::vector<std::string> DonorTiers::take_warnings() {
  std::vector<std::string> all;
  for (const auto& tier : tiers_) {
    std::vector<std::string> some = tier->take_warnings();
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace kvs
