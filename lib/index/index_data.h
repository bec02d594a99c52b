#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/archive.h"
#include "kvs/fingerprint_index.h"
#include "kvs/vector_index.h"

namespace kvs {

struct StoredArchive {
  std::string path;  ///< relative to the index's folder
  uint64_t bytes = 0;
  uint64_t prompts = 0;
};

struct StoredDonor {
  std::string id;
  uint64_t prompt = 0;       ///< number in the archive
  uint64_t tokens_hash = 0;  ///< of its token ids, to notice an archive that changed
  uint32_t tokens = 0;
  uint32_t archive = 0;
  uint32_t tenant = 0;
  Visibility visibility = Visibility::only_tenant;
  int64_t time = 0;     ///< of the prompt, else when it was indexed; seconds since 1970 UTC
  bool pinned = false;  ///< does not expire
  int64_t row = kNone;  ///< in its scope's vector index; derived from Scope::vector_rows

  static constexpr int64_t kNone = -1;
};

/// In place of a donor's number: it was removed.
inline constexpr uint32_t kNoDonor = UINT32_MAX;

/// The donors that the same tenants may see. Those for everyone form one scope.
struct Scope {
  uint32_t tenant = 0;
  Visibility visibility = Visibility::only_tenant;
  FingerprintIndex fingerprints;      ///< numbers are those of IndexData::donors
  std::string factory;                ///< of the vector index; empty: there is none
  std::vector<uint32_t> vector_rows;  ///< per row of the vector index, the donor or kNoDonor
};

/// What all archives of an index have in common.
struct IndexedModel {
  std::string name, fingerprint, tokenizer;  ///< empty before the first archive
  std::string embedder;
  int dims = 0;  ///< 0 before the first embedding
};

/// All that an index knows but for the vectors, which are loaded when a query has an embedding.
struct IndexData {
  IndexedModel model;
  std::string factory;  ///< as asked for: "auto" or one of FAISS's
  std::vector<std::string> tenants;
  std::vector<StoredArchive> archives;
  std::vector<StoredDonor> donors;
  std::vector<Scope> scopes;
};

uint64_t hash_tokens(std::span<const int32_t> tokens);

/// The two files that hold an IndexData; the manifest has their checksums.
std::vector<std::byte> write_donors(const IndexData& data);
std::vector<std::byte> write_fingerprints(const IndexData& data);
/// Throws Error(format) or Error(mismatch), naming the file.
IndexData read_donors(std::span<const std::byte> bytes, std::string_view source);
void read_fingerprints(std::span<const std::byte> bytes, std::string_view source, IndexData& data);

/// The third file: one vector index per scope, null where the scope has no rows.
using ScopeVectors = std::vector<std::unique_ptr<VectorIndex>>;
std::vector<std::byte> write_vectors(const ScopeVectors& vectors);
/// What that file must hold.
struct VectorsShape {
  int dims = 0;
  std::vector<size_t> rows;  ///< per scope
};
VectorsShape vectors_shape(const IndexData& data);
ScopeVectors read_vectors(std::span<const std::byte> bytes, std::string_view source,
                          const VectorsShape& shape);

}  // namespace kvs
