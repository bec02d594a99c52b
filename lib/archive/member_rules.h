#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "kvs/archive.h"

namespace kvs {

inline constexpr size_t kMaxPromptTokens = size_t{1} << 20;
inline constexpr size_t kMaxEmbedding = size_t{1} << 16;
inline constexpr size_t kMaxName = 4096;  ///< bytes of ids, tenants, names, hashes
inline constexpr size_t kMaxFingerprint = size_t{1} << 16;
inline constexpr size_t kMaxText = size_t{1} << 26;  ///< bytes of a prompt's text or settings
inline constexpr size_t kMaxHeaderContent = size_t{1} << 20;
inline constexpr int64_t kMaxPosition = (int64_t{1} << 31) - 1;

/// Bytes of K, or of V, of one layer of a record, without scales.
size_t plane_bytes(const KvLayout& layout, size_t count);
/// Bytes of its scales: of q8 only.
size_t scale_bytes(const KvLayout& layout, size_t count);
/// Most bytes the content of one frame of this member can have.
size_t max_content_bytes(const KvLayout& layout);

/// What other records of a member need to know of a kv record.
struct KvSummary {
  int64_t home = 0;
  int32_t count = 0;
  bool exact = false;
};
using FindKv = std::function<const KvSummary*(const Hash128& id)>;

// What a record must be by itself. Each returns what is wrong, nothing if all is well.
std::optional<std::string> find_fault(const ArchiveHeader& header);
std::optional<std::string> find_fault(const KvRecord& record, const KvLayout& layout);
std::optional<std::string> find_layer_fault(const KvRecord& record, const KvLayout& layout);
/// `find_kv` gives null for an id that the member does not have.
std::optional<std::string> find_fault(const PromptRecord& record, const FindKv& find_kv);

/// The rules between the records of one member, for the writer and the reader.
class MemberRules {
 public:
  explicit MemberRules(const ArchiveHeader& header) : header_(header) {}

  std::optional<std::string> find_fault(const KvRecord& record) const;  ///< layers aside
  std::optional<std::string> find_fault(const PromptRecord& record) const;

  void accept(const KvRecord& record);
  void accept(const PromptRecord& record);

  const ArchiveHeader& header() const { return header_; }
  const KvSummary* find_kv(const Hash128& id) const;
  int64_t kv_count() const { return static_cast<int64_t>(kv_.size()); }
  int64_t prompt_count() const { return static_cast<int64_t>(prompts_.size()); }

 private:
  ArchiveHeader header_;
  std::unordered_map<Hash128, KvSummary> kv_;
  std::unordered_set<Hash128> prompts_;  // hashes of tenant and id
};

}  // namespace kvs
