#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/archive.h"
#include "kvs/donor_place.h"
#include "kvs/donor_tiers.h"
#include "kvs/export.h"
#include "kvs/kv_view.h"
#include "kvs/reuse.h"

namespace kvs {

/// Who asks for what, which decides what may be seen.
struct DonorLookup {
  std::span<const int32_t> tokens;
  std::string_view tenant;
  std::string_view conversation{};
  /// Whose memory the donors take that come of it (see DonorStore::set_quotas()): where several
  /// tenants see the same donors, or one tenant keeps some apart. Empty: the tenant's.
  std::string_view owner{};
};

/// Donors that are being brought into memory, for one prompt.
struct Prefetch {
  std::vector<uint64_t> fetches{};
  std::chrono::steady_clock::time_point deadline{};  ///< the prompt waits no longer
};

struct DonorStoreOptions {
  /// Approximate rows of at most this depth (ReuseDonor::depth) become donors too, for their owner
  /// alone: for experiments that measure how errors pile up. 0: exact rows only.
  int max_depth = 0;
  double time_to_live_s = 0;  ///< since a donor came, to wherever; 0: while there is room
  /// A row behind so many others costs twice as much to compute as the first one: attention grows.
  double doubling_tokens = 4096;
  std::optional<int32_t> bos{};  ///< the token that prompts begin with, where there is one
  /// Seconds since whenever; empty: the machine's steady clock.
  std::function<double()> clock{};
};

/// Which text may serve tenants that did not bring it.
struct PublicationRules {
  /// Shorter text is never published. Of published text a prompt uses whole pieces of so many
  /// tokens, counted from its start (DonorStoreOptions::bos not counted), and nothing else.
  static constexpr int64_t kMinTokens = 64;

  int holders =
      0;  ///< owners that must hold a text (see DonorLookup); below 2 nothing is published
  /// Whether a tenant's text counts, and it may use what was published; empty: nobody.
  std::function<bool(std::string_view tenant)> takes_part{};
};

/// Donors that were given up in memory.
struct DonorEvictions {
  int64_t room = 0;   ///< others needed their room
  int64_t quota = 0;  ///< their owner had more than its quota
  int64_t age = 0;    ///< they were too old
};

/// A donor, as DonorStore::forget() shows it.
struct KeptDonor {
  std::string_view id;
  std::string_view tenant;
  bool everyone = false;  ///< no tenant's: all may use it
  std::span<const int32_t> tokens;
};
using DonorFilter = std::function<bool(const KeptDonor& donor)>;

/// What went from one place.
struct ForgottenDonors {
  std::string place;  ///< "memory" or the name of a tier
  int64_t donors = 0;
  bool reachable = true;  ///< else a tier may keep what it has: ask again later
};

/// Earlier prompts and their rows in the pool: what a new prompt can be made from. Finds donors by
/// exact prefix (tokens are always compared), by fingerprints, and by embedding where the others
/// find less than half of a prompt. Partitioned by tenant: a look-up sees its tenant's donors,
/// public ones and, under publish_by(), whole pieces of published ones that its prompt has, nothing
/// else. Not thread-safe.
///
/// Where room is needed, the owner that holds the most gives first, so that nobody loses donors
/// to others while it holds no more than an equal share; of an owner's donors those go that are
/// cheap to compute again for their size, seldom used, or unused for long
/// (GreedyDual-Size-Frequency; donors on disk are cheap). Blocks that donors share count at each.
/// Owners are tenants, unless whoever adds a donor says otherwise.
class KVS_API DonorStore {
 public:
  explicit DonorStore(KvPool& pool, DonorStoreOptions options = {});
  ~DonorStore();

  /// Keeps a prompt's rows as a donor, sharing the view's blocks: the exact ones, and where
  /// `depth`, that of the approximate ones, allows it, these too. Where another donor can serve all
  /// that it could, nothing is added; what it makes needless in this way goes.
  /// `owner`: as in DonorLookup.
  void add(std::string id, std::string_view tenant, std::vector<int32_t> tokens, const KvView& view,
           int depth = kUnknownDepth, std::string_view owner = {});
  static constexpr int kUnknownDepth = 1 << 30;

  /// Keeps a conversation's rows, approximate ones too, for its own next turn only.
  void keep_conversation(const DonorLookup& conversation, const KvView& view, int depth);
  /// Puts exact rows in place of the conversation's where that has the same tokens still.
  void go_on_over(const DonorLookup& conversation, const KvView& view);

  /// A pinned donor neither makes room nor expires. False where the tenant has no donor of this id.
  /// Throws Error(argument) where pinned donors would take more than half of the pool.
  bool pin(std::string_view tenant, std::string_view id);

  /// Adds the prompts of an archive as donors, pinned or not, and loads their rows. What an edited
  /// prompt took from others (kvs-align --apply) serves the same tokens of its tenant only, and is
  /// never pinned. Throws Error(mismatch) where it belongs to another model than `expected`, and
  /// what pin() throws.
  void preload(const std::filesystem::path& archive, const ArchiveHeader& expected,
               bool pinned = false);

  /// From here on donors are also looked for in a directory made by kvs-index, and loaded when they
  /// are used. Throws Error(mismatch) where it belongs to another model than `expected`.
  /// `embed` makes the embeddings that the index was built with; without it only fingerprints
  /// count.
  using Embed = std::function<std::vector<float>(std::span<const int32_t> tokens)>;
  void open_index(const std::filesystem::path& directory, const ArchiveHeader& expected,
                  Embed embed = {});

  /// Donors added from here on are found by embedding too. `embed` gives unit length, always the
  /// same number of dimensions; where it throws Error(memory), by their tokens alone.
  void embed_with(Embed embed);

  /// From here on donors are kept beyond memory too. Throws Error(io) where a folder cannot be
  /// used, Error(argument) where a server's address makes no sense; a server that is not there is a
  /// warning. Call it behind embed_with().
  void open_tiers(const TierOptions& options, const ArchiveHeader& expected);

  /// Queues a prompt's exact rows to be written to the tiers, which hold the view's blocks until
  /// work_on_tiers() has copied them. `owner`: as in DonorLookup; it is written with them, and is
  /// theirs whoever has them brought back.
  void add_to_tiers(std::string_view id, std::string_view tenant, std::span<const int32_t> tokens,
                    const KvView& view, std::string_view owner = {});

  /// To be called before find(): begins to bring from the tiers what a prompt lacks in memory.
  /// Looks into the tenant's part of the tiers, and nowhere else.
  Prefetch prefetch(const DonorLookup& lookup, const ReuseOptions& options);
  /// Whether it is worth waiting for some of it. What has arrived is found as all donors are.
  bool arriving(Prefetch& prefetch);
  /// So long something else can be done without any of it coming later, if it goes on coming as it
  /// did. 0: nothing is awaited, or no more rows are.
  double ms_to_spare(const Prefetch& prefetch) const;
  /// Rows that were computed while others were awaited, those of the prompt's first `tokens`, take
  /// the place of equal ones that have not come: the last ones come first. All are exact.
  void begin_with(const Prefetch& prefetch, std::span<const int32_t> tokens, const KvView& view);
  /// Waits until something arrives, or for the given time.
  void wait_for_tiers(std::chrono::milliseconds most);

  /// To be called between any two passes and while there are none: gives up what is too old, moves
  /// some hundred rows each way. Whether rows wait to be copied, or found donors to be known.
  bool work_on_tiers();
  /// Waits until all is written; false where that takes longer.
  bool finish_tiers(std::chrono::milliseconds most);
  std::vector<TierState> tiers() const;

  /// What find(), load() and the tiers have to say about what is missing, damaged or gone, each
  /// once; taking it empties it.
  std::vector<std::string> take_warnings();

  /// From here on these rules say which text is published; without a call none is. Published text
  /// is what the donors of the tenant kPublished hold; nobody else may have this name.
  void publish_by(PublicationRules rules);
  static constexpr std::string_view kPublished = "published:";
  /// Whether the tenant's text may be published.
  bool may_publish(std::string_view tenant) const;
  /// The spans of a text that, by the rules, enough owners hold, each in one piece: the asking one
  /// and others, by the donors in memory. Ascending. For text to be published, and nothing else:
  /// this is the one look-up into other tenants' donors.
  std::vector<std::span<const int32_t>> find_common(const DonorLookup& lookup);
  /// Donors that hold published text.
  int64_t published() const;

  /// Candidates, best first, the longest exact prefix in front. What they point to lives until the
  /// next find(), add() or make_room() that does not keep candidates. Their views may be missing
  /// until load().
  std::vector<ReuseDonor> find(const DonorLookup& lookup);

  /// To be called for each candidate of which `rows` are used: counts that where they are a tenth
  /// of it (all prompts may begin with the same token), brings them into the pool where they are
  /// not there yet, and sets its view. Returns where they were; those of a tier are so when they
  /// are used for the first time since they came from there. None where they cannot be had: the
  /// pool is full, or the archive is damaged, which take_warnings() tells.
  std::optional<DonorPlace> load(ReuseDonor& donor, int64_t rows);

  /// The rows of what is pinned, which make_room() never gives up; some blocks may come twice.
  void visit_pinned(const std::function<void(const KvView&)>& visit) const;

  /// Gives up donors until the pool has `blocks` free ones; false where giving up all was not
  /// enough. `keep_candidates` spares those that the last find() returned.
  bool make_room(int64_t blocks, bool keep_candidates = false);

  /// Gives up those donors, the pinned ones too, in memory and in the tiers, and conversations. The
  /// pool zeroes their blocks, at once where no prompt under way uses them. A tier removes its part
  /// in the background, and what it has not looked at yet when it does; such donors, and those on
  /// their way into memory, are not counted. An index stays as it is. `which` is kept, with what it
  /// needs.
  std::vector<ForgottenDonors> forget(const DonorFilter& which);

  /// How many bytes of KV the donors of each of these owners may take from here on, in place of all
  /// earlier quotas; others may take any. What exceeds its owner's quota goes at once, and what
  /// comes later takes the place of the owner's own donors, in the order above; what does not fit
  /// at all is not added. Pinned donors count and stay. Rows of an index that a prompt is being
  /// made from may exceed a quota until the next look-up.
  void set_quotas(const std::map<std::string, int64_t>& bytes);
  const DonorEvictions& evictions() const;

  int64_t size() const;
  /// Of what finds donors, with their tokens; without their rows.
  int64_t index_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvs
