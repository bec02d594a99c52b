#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "kvs/archive_reader.h"
#include "kvs/export.h"

namespace kvs {

/// What a listing says about a prompt.
struct PromptLine {
  size_t member = 0;  ///< from 0
  std::string id{};
  std::string tenant{};
  Visibility visibility = Visibility::only_tenant;
  int64_t tokens = 0;  ///< = exact + approximate + holes; all holes where it has no spans
  int64_t exact = 0;   ///< tokens whose KV is what the model computes for this prompt
  int64_t approximate = 0;
  int64_t holes = 0;
  int64_t spans = 0;
  int64_t kv_bytes = 0;  ///< of the frames it refers to, in the archive, shared ones included
  std::string codecs{};  ///< of those: "", "raw" or "raw,shuffle"
  std::string embedder{};
};

/// What a listing says about a member.
struct MemberLine {
  ArchiveHeader header{};
  int64_t prompts = 0;
  int64_t kv = 0;        ///< kv records
  int64_t rows = 0;      ///< rows of KV
  int64_t kv_bytes = 0;  ///< of their frames
  bool table = false;
  bool complete = false;  ///< its end was read
};

/// Gathers what a listing needs from the items of a reader, in order. It also verifies what needs
/// the tokens of more than one record: an exact span stands for the tokens of its rows.
class KVS_API ArchiveReport {
 public:
  /// The line of a prompt, nothing for other records. Throws Error(format) where an exact span has
  /// other tokens than its rows.
  std::optional<PromptLine> add(const ArchiveItem& item);

  const std::vector<MemberLine>& members() const { return members_; }

 private:
  struct Kv {
    std::vector<int32_t> tokens;
    int64_t bytes = 0;
    KvCodec codec = KvCodec::raw;
  };
  PromptLine describe(const PromptRecord& record) const;

  std::vector<MemberLine> members_;
  std::unordered_map<Hash128, Kv> kv_;  // of the last member
};

}  // namespace kvs
