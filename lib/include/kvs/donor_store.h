#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/archive.h"
#include "kvs/export.h"
#include "kvs/kv_view.h"
#include "kvs/reuse.h"

namespace kvs {

/// Who asks for what, which decides what may be seen.
struct DonorLookup {
  std::span<const int32_t> tokens;
  std::string_view tenant;
  std::string_view conversation{};
};

/// Earlier prompts and their rows in the pool: what a new prompt can be made from. Finds donors by
/// exact prefix (hash chain over blocks of 64 tokens; tokens are always compared) and by
/// fingerprints, and in an index of archives also by embedding. Partitioned by tenant: a look-up
/// sees its tenant's donors and public ones, nothing else. Not thread-safe.
class KVS_API DonorStore {
 public:
  explicit DonorStore(KvPool& pool);
  ~DonorStore();

  /// Keeps a prompt's exact rows as a donor, sharing the view's blocks. Where the store already
  /// holds them, as part of another donor, nothing is added.
  void add(std::string id, std::string_view tenant, std::vector<int32_t> tokens,
           const KvView& view);

  /// Keeps a conversation's rows, approximate ones too, for its own next turn only.
  void keep_conversation(std::string_view conversation, std::vector<int32_t> tokens,
                         const KvView& view);

  /// Puts a view in place of the conversation's where that has the same tokens still.
  void go_on_over(std::string_view conversation, std::span<const int32_t> tokens,
                  const KvView& view);

  /// Adds the prompts of an archive as donors and loads their rows. What an edited prompt took from
  /// others (kvs-align --apply) serves the same tokens of its tenant only. Throws Error(mismatch)
  /// where it belongs to another model than `expected`.
  void preload(const std::filesystem::path& archive, const ArchiveHeader& expected);

  /// From here on donors are also looked for in a directory made by kvs-index, and loaded when they
  /// are used. Throws Error(mismatch) where it belongs to another model than `expected`.
  /// `embed` makes the embeddings that the index was built with; without it only fingerprints
  /// count.
  using Embed = std::function<std::vector<float>(std::span<const int32_t> tokens)>;
  void open_index(const std::filesystem::path& directory, const ArchiveHeader& expected,
                  Embed embed = {});

  /// What find() and load() have to say about archives that are missing or damaged, each once;
  /// taking it empties it.
  std::vector<std::string> take_warnings();

  /// Candidates, best first, the longest exact prefix in front. What they point to lives until the
  /// next find(), add() or make_room() that does not keep candidates. Their views may be missing
  /// until load().
  std::vector<ReuseDonor> find(const DonorLookup& lookup);

  /// Brings the rows of a candidate into the pool, where they are not there yet, and sets its view.
  /// Throws Error(format) where the archive is damaged, Error(device) where the pool is full.
  void load(ReuseDonor& donor);

  /// Gives up the donors used longest ago until the pool has `blocks` free ones; false where giving
  /// up all was not enough. `keep_candidates` spares those that the last find() returned.
  bool make_room(int64_t blocks, bool keep_candidates = false);

  int64_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvs
