#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "index/index_data.h"
#include "index/open_index.h"
#include "index/scope_vectors.h"
#include "kvs/donor_index_writer.h"

namespace kvs {

/// Changes an index in memory. Donors that go keep their numbers until compact().
class IndexUpdate {
 public:
  explicit IndexUpdate(IndexData data);

  const IndexData& data() const { return data_; }
  void set_factory(std::string factory) { data_.factory = std::move(factory); }

  /// Adds what `read` adds with the calls below, all or nothing; then what it replaces goes.
  /// Returns the number of donors.
  int64_t add(const std::function<void()>& read);
  uint32_t add_archive(StoredArchive archive);
  void set_archive_bytes(uint32_t archive, uint64_t bytes) {
    data_.archives[archive].bytes = bytes;
  }
  /// `time` stands in for that of prompts that have none. Both throw Error(mismatch), naming
  /// `source`, where it does not go with what is there.
  void expect_model(const ArchiveHeader& header, const std::string& source);
  void add_prompt(const PromptRecord& prompt, uint32_t archive, int64_t time,
                  const std::string& source);
  /// All donors of another index. `archive_path` says how this one names an archive of that one.
  void merge(const IndexData& other, const ScopeVectors& vectors,
             const std::function<std::string(const std::string&)>& archive_path,
             const std::string& source);

  int64_t remove(const DonorSelection& which, const std::filesystem::path& folder);
  int64_t pin(const DonorSelection& which, bool pinned, const std::filesystem::path& folder);

  /// Drops what was removed, and archives, tenants and scopes without donors. Returns the paths of
  /// those archives.
  std::vector<std::string> compact();

  /// After compact(): whether the file of fingerprints, and that of vectors, must be written.
  bool fingerprints_changed() const { return fingerprints_changed_; }
  bool vectors_changed() const;
  /// Says that both are written.
  void written() { fingerprints_changed_ = scopes_dropped_ = false; }
  /// The vectors of all scopes, made of those that were stored.
  ScopeVectors update_vectors(ScopeVectors stored, const VectorUpdate& options);

 private:
  // A scope's counterpart outside of IndexData.
  struct ScopeState {
    int64_t stored = StoredDonor::kNone;  // its place in the file of vectors
    NewVectors added;
  };

  uint32_t tenant_number(const std::string& tenant);
  size_t scope_number(uint32_t tenant, Visibility visibility);
  std::string key_of(const StoredDonor& donor) const;
  uint32_t add_donor(StoredDonor donor);
  void add_vector(std::vector<float> vector, const std::string& embedder, uint32_t donor,
                  const std::string& source);
  void roll_back(uint32_t first_donor, size_t first_archive, const IndexedModel& model);
  void replace_older(uint32_t first_donor);
  void drop_stale(uint32_t first_donor, size_t first_archive);
  void remove(uint32_t number);
  std::vector<uint32_t> select(const DonorSelection& which,
                               const std::filesystem::path& folder) const;

  IndexData data_;
  std::vector<ScopeState> scopes_;
  std::vector<bool> removed_;  // per donor
  std::map<std::string, uint32_t> tenants_;
  std::map<std::pair<uint32_t, Visibility>, size_t> scope_numbers_;
  std::unordered_map<std::string, uint32_t> known_;  // donors by tenant, id and tokens
  bool fingerprints_changed_ = false;
  bool scopes_dropped_ = false;
};

}  // namespace kvs
