#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/blob_store.h"
#include "engine/donor_partition.h"
#include "engine/eviction_order.h"
#include "engine/tier_reader.h"
#include "engine/tier_writer.h"
#include "kvs/donor_store.h"
#include "kvs/donor_tiers.h"
#include "kvs/kv_view.h"

namespace kvs {

/// A donor whose exact rows are to be written.
struct DonorToWrite {
  std::string id;
  std::string tenant;
  std::vector<int32_t> tokens;  ///< as many as the view has rows
  KvView view;
  std::vector<float> embedding;  ///< may be empty
  std::string owner{};           ///< see DonorLookup
};

/// A donor that a tier holds.
struct TierDonor {
  Hash128 id;
  std::string name;                 ///< what whoever asked for it called it
  std::span<const int32_t> tokens;  ///< valid until the tier is asked to do something else
  float similarity = 0;             ///< of the embeddings; 0 where unknown
  std::string owner{};              ///< see DonorLookup
  double age_s = 0;
};

/// Donors in one store beyond memory: which there are, partitioned by tenant as those in memory,
/// what they take, and which go where there is no room. Reading and writing are its threads'; every
/// call returns at once, save those that say that they wait. Not thread-safe.
class DonorTier {
 public:
  struct Options {
    DonorPlace place = DonorPlace::host;
    int64_t max_bytes = 0;      ///< 0: as the store decides
    double time_to_live_s = 0;  ///< see DonorStoreOptions
    std::string embedder;
    HostAllocator memory;  ///< for rows that are read
  };

  DonorTier(std::unique_ptr<BlobStore> store, const ArchiveHeader& header, Options options);
  ~DonorTier();

  /// Queues a donor to be written, unless there is one that can serve all that it could.
  void add(DonorToWrite donor);
  /// Copies the rows of a piece out of the pool; false where there is nothing to copy, or too much
  /// waits to be written.
  bool copy_piece(const KvPool& pool);
  bool has_copies() const { return !copies_.empty(); }
  /// Forgets what has not been copied yet.
  void drop_copies();

  /// Takes note of what the threads did, of a few donors found in the store at a time, and gives up
  /// what is too old.
  void take_in();
  /// Whether some are found that are not known yet.
  bool has_found() const { return !found_.empty(); }
  /// Candidates of a tenant, as DonorPartition::find().
  std::vector<TierDonor> find(const std::string& tenant, std::span<const int32_t> tokens);
  std::vector<TierDonor> find_near(const std::string& tenant, std::span<const float> embedding);
  bool has_vectors(const std::string& tenant) const;

  /// Removes what is there, on its way there, or found later and older than this call; counts what
  /// is known now. Where too many such calls wait for what is found later, it counts as
  /// unreachable.
  ForgottenDonors forget_all(const DonorFilter& which);

  /// Reads the rows of a donor: results with this number.
  void read(uint64_t fetch, const std::string& tenant, const Hash128& donor);
  /// Reads no more of a fetch; see TierReader.
  void drop(uint64_t fetch) { reader_.drop(fetch); }
  std::vector<ReadResult> take_results();

  void count_miss() { ++state_.misses; }
  void count_late() { ++state_.late; }
  void count_hit(int64_t tokens);
  /// Takes in what is found until the first look at the store is over, or the time is up: then it
  /// goes on in the background. Whether it is over.
  bool wait_for_first_look(std::chrono::steady_clock::time_point deadline);
  void wait_for_results(std::chrono::steady_clock::time_point deadline);
  bool wait_until_written(std::chrono::steady_clock::time_point deadline);

  /// Others write to it too.
  bool is_shared() const { return !store_->exclusive(); }
  DonorPlace place() const { return options_.place; }
  bool reachable() const { return reader_.reachable(); }
  TierState state() const;
  std::vector<std::string> take_warnings() { return complaints_.take(); }

 private:
  struct Piece {
    int64_t bytes = 0;
    int references = 0;  // of donors
    bool put = false;    // by this process, or soon
    bool written = false;
  };
  struct Group {
    DonorPartition donors;
    std::unordered_map<DonorPartition::Key, Hash128> ids;
  };
  // A donor in its group's directory or, while it is being written, on its way there.
  struct Entry {
    std::string tenant;
    std::string owner;
    std::vector<Hash128> pieces;
    double time = 0;    // when it was added
    int64_t bytes = 0;  // of the prompt
    DonorPartition::Key key = 0;
    EvictionOrder::Item item = -1;  // -1: not in the directory yet
  };
  struct Forgotten {
    double time = 0;
    int64_t looks = 0;  // that had begun: a later one sees all that the call is about
    DonorFilter which;
  };
  struct Copy {
    uint64_t write = 0;
    Hash128 id;
    DonorToWrite donor;
    size_t piece = 0;  // the next to be copied
  };

  Entry& claim(const Hash128& id, Entry entry, int64_t tokens);
  void list(const Hash128& id, ResidentDonor donor, std::span<const float> embedding);
  void note(const WriteEnd& end);
  void note(FoundPrompt found);
  void note_pieces(const std::vector<Blob>& pieces);
  void end_looks();
  void remove_orphans();
  void note(const ReadResult& end);
  Group* find_group(const std::string& tenant);
  bool has_holder(const std::string& tenant, const ResidentDonor& donor);
  void forget(const Hash128& id);
  std::vector<Hash128> listed_ids(const DonorFilter& which);
  bool forget_later(const DonorFilter& which);
  static double seconds_now();
  void expire();
  bool is_old(double time) const;
  bool was_forgotten(const PromptRecord& prompt) const;
  void discard(const FoundPrompt& found);
  void unlist(const Hash128& id, const Entry& entry);
  void release(const std::string& tenant, const Hash128& piece, bool leave);
  bool renews() const { return is_shared() && options_.time_to_live_s > 0; }
  bool goes_by_itself(const Entry& entry) const { return is_shared() && is_old(entry.time); }
  bool make_room();
  int64_t piece_bytes(size_t piece, int64_t tokens) const;
  std::vector<TierDonor> donors_of(Group& group,
                                   std::span<const DonorPartition::Candidate> found) const;
  KvRecord piece_of(const Copy& copy, const KvPool& pool) const;

  Options options_;
  ArchiveHeader header_;
  std::unique_ptr<BlobStore> store_;
  Complaints complaints_;
  TierState state_;
  std::unordered_map<std::string, Group> groups_;  // by tenant
  std::unordered_map<Hash128, Entry> entries_;
  std::unordered_map<Hash128, Piece> pieces_;
  EvictionOrder order_;
  int64_t used_ = 0;     // bytes of entries and pieces, those being written included
  int64_t full_at_ = 0;  // bytes; until then, a disk that is full
  std::chrono::steady_clock::time_point full_until_{};
  std::deque<Copy> copies_;
  uint64_t next_write_ = 1;
  std::unordered_map<uint64_t, Copy> writes_;  // without their views
  std::deque<FoundPrompt> found_;
  int64_t whole_look_ = 0;            // all that this look at the store saw is found; 0: none yet
  std::vector<Forgotten> forgotten_;  // for prompts that are found later
  std::vector<Blob> listed_;  // pieces of which it is not known yet whether a donor needs them
  size_t dims_ = 0;           // of embeddings; 0: none yet
  TierWriter writer_;         // these two use the others
  TierReader reader_;
};

}  // namespace kvs
