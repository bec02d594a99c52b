#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

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
  /// Throws Error(mismatch) where the index belongs to another model than `expected`.
  IndexedDonors(const std::filesystem::path& folder, const ArchiveHeader& expected, KvPool& pool,
                DonorStore::Embed embed);

  /// Appends candidates, best first. `now` counts look-ups.
  void find(const DonorLookup& lookup, int64_t now, std::vector<ReuseDonor>& found,
            std::vector<std::string>& warnings);

  /// Brings a candidate's rows into the pool.
  void load(ReuseDonor& candidate);

  /// Gives up the rows used longest ago, before look-up `now`, and says since when they were not
  /// used; -1 where there are none.
  int64_t oldest(int64_t now) const;
  void drop_oldest(int64_t now);

 private:
  struct Entry {
    Donor donor;
    PromptRecord prompt;
    int64_t rows = 0;        // its own
    int64_t exact_rows = 0;  // of them, in front of the first approximate one
    KvView view;             // empty until it is loaded
    int64_t used = 0;
  };

  Entry* get(const Donor& donor, std::vector<std::string>& warnings);
  const ArchiveFile& archive(const std::filesystem::path& path);

  DonorIndex index_;
  std::string fingerprint_;
  DonorStore::Embed embed_;
  ArchivedRows rows_;
  std::map<uint32_t, Entry> entries_;
  std::map<std::filesystem::path, ArchiveFile> archives_;
};

}  // namespace kvs
