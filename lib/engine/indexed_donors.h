#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/residency.h"
#include "kvs/archive_reader.h"
#include "kvs/donor_index.h"
#include "kvs/donor_store.h"
#include "kvs/kv_archive.h"
#include "kvs/reuse.h"

namespace kvs {

/// Donors in archives that an index refers to. Their tokens are read when they are found, their
/// rows when they are used. Not thread-safe.
class IndexedDonors {
 public:
  /// Throws Error(mismatch) where the index belongs to another model than `expected`. `held` must
  /// outlive it.
  IndexedDonors(const std::filesystem::path& folder, const ArchiveHeader& expected, KvPool& pool,
                Residency& held, DonorStore::Embed embed);

  ~IndexedDonors();
  IndexedDonors(const IndexedDonors&) = delete;
  IndexedDonors& operator=(const IndexedDonors&) = delete;

  /// Appends candidates, best first.
  void find(const DonorLookup& lookup, std::vector<ReuseDonor>& found,
            std::vector<std::string>& warnings);

  /// Blocks that a candidate's rows take.
  int64_t blocks_to_load(const ReuseDonor& candidate) const;
  /// Brings a candidate's rows into the pool; false where there is no room, or they are damaged.
  bool load(ReuseDonor& candidate, std::vector<std::string>& warnings);

 private:
  struct Entry {
    Donor donor;
    PromptRecord prompt;
    int64_t rows = 0;        // its own
    int64_t exact_rows = 0;  // of them, in front of the first approximate one
    KvView view;             // empty until it is loaded
    int64_t seen = 0;        // the last look-up that found it
    EvictionOrder::Item item = -1;
  };

  void load(Entry& entry);
  void forget_some();
  Entry* get(const Donor& donor, std::vector<std::string>& warnings);
  const ArchiveFile& archive(const std::filesystem::path& path);

  Residency& held_;
  DonorIndex index_;
  std::string fingerprint_;
  DonorStore::Embed embed_;
  ArchivedRows rows_;
  std::map<uint32_t, Entry> entries_;
  std::map<std::filesystem::path, ArchiveFile> archives_;
};

}  // namespace kvs
