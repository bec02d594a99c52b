#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/donor_partition.h"
#include "engine/donor_tier.h"
#include "kvs/donor_store.h"
#include "kvs/donor_tiers.h"
#include "kvs/kv_pool.h"

namespace kvs {

/// The tiers beyond memory, nearest first, and the donors on their way from there into the pool.
/// Not thread-safe.
class DonorTiers {
 public:
  /// What is done with memory, which the tiers do not know.
  struct Memory {
    /// Takes a donor whose rows are in the pool, and were in the place before.
    std::function<void(const std::string& tenant, ResidentDonor donor, DonorPlace place)> keep;
    /// Frees blocks of the pool; false where there are too few.
    std::function<bool(int64_t blocks)> make_room;
  };

  /// Waits until it is known what is there, not longer than the options say. Throws what opening
  /// the stores throws.
  DonorTiers(KvPool& pool, const TierOptions& options, const ArchiveHeader& header,
             double time_to_live_s, Memory memory);

  void add(const DonorToWrite& donor);

  /// What a tier has for a tenant's prompt.
  struct Offer {
    DonorTier* tier;
    TierDonor donor;
  };
  /// By their tokens; and by embedding, where donors have some.
  std::vector<Offer> find(const std::string& tenant, std::span<const int32_t> tokens);
  void find_near(const std::string& tenant, std::span<const float> embedding,
                 std::vector<Offer>& offers);
  bool has_vectors(const std::string& tenant) const;

  /// Begins to bring the donors of these offers, and counts those tiers that had nothing.
  /// `most`: they are waited for no longer than this.
  Prefetch fetch(const DonorLookup& lookup, std::span<const Offer> chosen,
                 std::optional<std::chrono::microseconds> most);
  /// Whether some of it is still on its way, and there is time to wait.
  bool arriving(Prefetch& prefetch);
  /// See DonorStore.
  double ms_to_spare(const Prefetch& prefetch) const;
  void begin_with(const Prefetch& prefetch, std::span<const int32_t> tokens, const KvView& view);

  /// Moves a piece out of the pool and a few into it; returns whether something waits to be copied.
  bool work();
  /// Waits for something to arrive.
  void wait(std::chrono::steady_clock::time_point deadline);
  /// Takes away what holds blocks of the pool only for the tiers: copies it, or forgets it.
  void release_copies();
  /// Gives up the rows on their way; false where there are none.
  bool release_fetches();
  bool finish(std::chrono::steady_clock::time_point deadline);

  /// See DonorStore::forget(). What is on its way into memory goes too.
  std::vector<ForgottenDonors> forget(const DonorFilter& which);

  std::vector<TierState> states() const;
  std::vector<std::string> take_warnings();

 private:
  struct Fetch {
    DonorTier* tier;
    std::string tenant;
    Hash128 id;
    ResidentDonor donor;
    std::vector<KvView> pieces;                    // empty where they have not come
    std::chrono::steady_clock::time_point last{};  // when the tier brought something, or it began
    double ms = 0;                                 // that reading took

    int64_t rows() const { return std::ssize(donor.tokens); }
    int64_t rows_here() const;
    double ms_to_spare() const;
    int64_t missing_up_to() const;  // behind it, all are here
  };

  void take_results(DonorTier& tier);
  void take(uint64_t number, const ReadResult& result);
  void put(uint64_t number, const ReadResult& result);
  void drop(uint64_t number);
  void keep(Fetch fetch, int64_t tokens);

  KvPool& pool_;
  Memory memory_;
  std::chrono::milliseconds patience_;
  std::vector<std::unique_ptr<DonorTier>> tiers_;
  std::unordered_map<uint64_t, Fetch> fetches_;
  uint64_t next_fetch_ = 1;
};

}  // namespace kvs
