#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/archive.h"
#include "kvs/export.h"

namespace kvs {

/// A prompt of an archive, as an index knows it.
struct Donor {
  uint32_t number = 0;  ///< in the index that found it
  std::string id;
  std::string tenant;
  Visibility visibility = Visibility::only_tenant;
  int64_t tokens = 0;
  std::filesystem::path archive;  ///< of the file, also where the index names it relative to itself
  int64_t prompt = 0;             ///< its number for ArchiveFile::read_prompt
};

/// Whom and what a look-up is for.
struct DonorQuery {
  std::span<const int32_t> tokens = {};   ///< empty: by embedding only
  std::span<const float> embedding = {};  ///< empty: by fingerprints only
  std::string_view tenant = {};           ///< sees its own donors and those for everyone
  std::vector<std::string> group = {};    ///< other tenants whose donors for the group it sees
  size_t limit = 8;
  double min_similarity = 0;  ///< of donors that only the embedding finds
  int threads = 1;
};

enum class FoundBy { fingerprints, embedding, both };

/// A donor that a look-up nominates. Only an alignment says what can be reused.
struct DonorCandidate {
  Donor donor;
  double similarity = 0;  ///< cosine of the embeddings; 0 where one is missing
  int64_t matched = 0;    ///< about how many of the query's tokens it has, by fingerprints
  FoundBy found_by = FoundBy::fingerprints;
};

struct DonorSearch {
  std::vector<DonorCandidate> candidates;  ///< best first
  std::vector<std::string> warnings;       ///< each said once per DonorIndex
};

/// An archive that an index refers to.
struct IndexedArchive {
  std::string path;  ///< as written in the index: relative to its folder
  int64_t prompts = 0;
  int64_t bytes = 0;
  bool present = false;  ///< it is there and has these bytes
};

struct DonorIndexInfo {
  int64_t generation = 0;
  std::string model, fingerprint, tokenizer;  ///< of the archives, see ArchiveHeader
  std::string embedder;                       ///< empty: no prompt has an embedding
  int dims = 0;
  std::string factory;                  ///< as asked for: "auto", or as FAISS spells it
  std::vector<std::string> structures;  ///< what the vector indexes of the partitions are
  int64_t donors = 0;
  int64_t pinned = 0;
  int64_t embeddings = 0;
  int64_t tokens = 0;  ///< of all donors
  int64_t tenants = 0;
  int64_t bytes = 0;  ///< of the index's own files
  std::vector<IndexedArchive> archives;
};

/// A folder made by DonorIndexWriter, opened for look-ups: fingerprints, embeddings and the table
/// of archives. Donors are partitioned by tenant and visibility, so that what other tenants keep to
/// themselves changes no answer. What is open stays what it was when it was opened. Thread-safe.
///
/// Tokens and KV stay in the archives: a donor of 1,000 tokens that shares no text takes about 2 KB
/// here, and 4 bytes per dimension of its embedding.
class KVS_API DonorIndex {
 public:
  /// Throws Error(io) where there is no index, Error(format), naming the file, where one of its
  /// files is damaged, and Error(mismatch) where another version wrote it.
  explicit DonorIndex(const std::filesystem::path& folder);
  ~DonorIndex();
  DonorIndex(DonorIndex&&) noexcept;

  DonorIndexInfo info() const;

  /// Donors that share tokens, most first, then by similarity; a quarter of the places, and those
  /// left over, go to donors that only the embedding finds. Donors of a missing archive are left
  /// out, with a warning. FAISS is loaded by the first query with an embedding. Throws
  /// Error(mismatch) where the embedding has other dimensions than the index.
  DonorSearch search(const DonorQuery& query) const;

  /// The donor's record from its archive. Nothing, and a warning, where the archive is missing,
  /// damaged or another one than was indexed.
  std::optional<PromptRecord> find_prompt(const Donor& donor,
                                          std::vector<std::string>& warnings) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
