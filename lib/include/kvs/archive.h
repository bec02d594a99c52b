#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kvs/export.h"
#include "kvs/hash.h"
#include "kvs/kv_layout.h"

// The records of a `.kva` archive, and how one is written. kvs/archive_reader.h reads it.
// The format is defined in kvs-archive(5).

namespace kvs {

inline constexpr int kArchiveVersion = 1;
inline constexpr int kMaxKvTokens = 256;  ///< rows of one KvRecord

/// How the bytes of a KvRecord are stored. The first two are lossless, the others are not: rows
/// read from them are approximate. Sizes are those of SmolLM2's f16 KV.
enum class KvCodec {
  raw,      ///< as they are: fastest to load
  shuffle,  ///< byte planes, then entropy coding: about 0.85 of the size of f16, 0.7 of bf16
  q8,       ///< bytes, with a scale for 64 elements: about 0.42
  q4,       ///< half bytes: about 0.22
};

/// Who may reuse a prompt's KV: its tenant, the tenant's share group, or everyone.
enum class Visibility { only_tenant, group, everyone };

/// Which elements of a key are rotated together: e with e + head_dim / 2, or 2 e with 2 e + 1.
enum class RopePairing { half, interleaved };

KVS_API std::string_view codec_name(KvCodec codec);  ///< "raw", "shuffle", "q8", "q4"
KVS_API bool is_lossy(KvCodec codec);
KVS_API std::string_view visibility_name(Visibility visibility);  ///< "private", "group", "public"
KVS_API std::string_view pairing_name(RopePairing pairing);       ///< "half", "interleaved"
/// Nothing where the name is unknown.
KVS_API std::optional<KvCodec> find_codec(std::string_view name);
KVS_API std::optional<Visibility> find_visibility(std::string_view name);

/// Says which model the records of a member belong to.
struct ArchiveHeader {
  int version = kArchiveVersion;
  std::string model{};        ///< for people: "SmolLM2-135M-Instruct.Q4_1"
  std::string fingerprint{};  ///< equal fingerprints: KV of one is KV of the other
  std::string tokenizer{};    ///< hash of the tokenizer; equal: same token ids for the same text
  KvLayout layout{};          ///< layers = 0: the member holds no KV
  RopePairing rope = RopePairing::half;
  std::string creator{};  ///< program and version that wrote it
  int64_t time = 0;       ///< seconds since 1970-01-01 UTC

  bool operator==(const ArchiveHeader&) const = default;
};

/// Throws Error(mismatch), naming `source`, where KV or tokens of `header` cannot be used with the
/// model of `expected`: another fingerprint, tokenizer, layout or pairing.
KVS_API void require_same_model(const ArchiveHeader& header, const ArchiveHeader& expected,
                                std::string_view source);

/// Gives memory on the host, uninitialised; see Backend::host_memory().
using HostAllocator = std::function<std::shared_ptr<std::byte[]>(size_t bytes)>;

/// Keys and values of one layer of a record, row-major; kept as bytes because they are not aligned.
struct KvLayer {
  std::span<const std::byte> k{};         ///< [kv_heads, count, head_dim], rotated for their home
  std::span<const std::byte> v{};         ///< [kv_heads, count, head_dim]
  std::span<const std::byte> k_scales{};  ///< q8: f32 [kv_heads, count]; else empty
  std::span<const std::byte> v_scales{};
};

/// Up to 256 consecutive rows of KV. Move-only; a record that was read owns what `layers` shows.
struct KvRecord {
  Hash128 id{};      ///< see kv_record_id; once per member
  Hash128 parent{};  ///< id of the record before it in the text where it was computed; zero: none
  std::vector<int32_t> tokens{};  ///< [count], 1 to 256
  int64_t home = 0;               ///< position of the first row
  bool exact = true;  ///< provenance at home: computed over exact rows, stored losslessly
  KvCodec codec = KvCodec::raw;  ///< a lossy one only where not exact, and of f16, bf16 or f32 KV
  /// Of a lossy codec, 0 for others: root mean square of the elements' errors over that of the
  /// elements, and the largest error of an element. Measured by the writer, whatever stands here.
  double error = 0;
  double max_error = 0;
  std::vector<KvLayer> layers{};           ///< [layers of the header]
  std::shared_ptr<std::byte[]> storage{};  ///< of a record that was read; holds all of `layers`
};

/// What an id is made from, besides the record's tokens.
struct KvContext {
  std::string_view fingerprint{};
  std::string_view tenant_salt{};  ///< empty where tenants share
  Hash128 parent{};                ///< id of the preceding record; zero at the start of a text
  bool exact = true;
};

/// XXH3-128 of the context and the tokens, chained through `parent`: equal ids mean equal text from
/// the start on, the same model and the same tenant salt.
KVS_API Hash128 kv_record_id(const KvContext& context, std::span<const int32_t> tokens);

/// `count` positions of a prompt, and where their KV is. Without `kv` it is a hole.
struct PromptSpan {
  std::optional<Hash128> kv{};  ///< a record earlier in the same member
  int32_t first = 0;            ///< row of that record
  int32_t count = 0;
  int64_t shift = 0;  ///< position in the prompt minus home position
  bool exact = false;

  bool operator==(const PromptSpan&) const = default;
};

/// One prompt. Its spans, in order, cover all of its tokens; without spans it has no KV.
struct PromptRecord {
  std::string id{};  ///< with the tenant: once per member
  std::string tenant{};
  std::string owner{};  ///< whose request it was, where several share a tenant's; empty: unknown
  Visibility visibility = Visibility::only_tenant;
  std::vector<int32_t> tokens{};
  std::optional<std::string> text{};
  std::vector<float> embedding{};  ///< empty: none
  std::string embedder{};          ///< which embedder made it; empty without embedding
  std::vector<PromptSpan> spans{};
  std::string settings{};  ///< generation settings, a JSON object; empty: none
  int64_t time = 0;        ///< seconds since 1970-01-01 UTC

  bool operator==(const PromptRecord&) const = default;
};

/// The end of a member.
struct ArchiveEnd {
  int64_t kv = 0;       ///< kv records of the member
  int64_t prompts = 0;  ///< prompt records of the member
  Hash128 hash{};       ///< of the member's bytes before this record
  bool table = false;   ///< a table of offsets follows
};

using ArchiveRecord = std::variant<ArchiveHeader, KvRecord, PromptRecord, ArchiveEnd>;

struct ArchiveOptions {
  int level = 1;      ///< zstd's, 1 to 22, for everything but `raw` KV, which is never searched
  int threads = 1;    ///< that encode and compress, each a record; 0: all this process may use
  bool table = true;  ///< end with a table of offsets
};

/// Writes an archive, of one member unless next_member() starts more. Not thread-safe. An Error(io)
/// names path and reason; after it nothing more can be written. A broken rule (see kvs-archive(5))
/// is an Error(argument), and the record is not written.
class KVS_API ArchiveWriter {
 public:
  /// To a temporary file beside `path`, which takes its place in finish(). Without finish()
  /// nothing stays.
  ArchiveWriter(const std::filesystem::path& path, const ArchiveHeader& header,
                const ArchiveOptions& options = {});
  /// To an open descriptor, which stays open; `name` stands for it in messages. Callers who want an
  /// Error for a closed pipe ignore SIGPIPE.
  ArchiveWriter(int descriptor, std::string name, const ArchiveHeader& header,
                const ArchiveOptions& options = {});
  ~ArchiveWriter();
  ArchiveWriter(ArchiveWriter&&) noexcept;

  bool has_kv(const Hash128& id) const;
  /// False where the record is there already; it is not written again. Throws Error(argument) where
  /// the one that is there stands elsewhere or has another number of rows.
  bool add(const KvRecord& record);
  /// The same for several, in their order, which the threads encode and compress in parallel.
  /// Returns how many were written. Where one breaks a rule, some before it may have been written.
  int64_t add(std::span<const KvRecord> records);
  /// Its spans refer to records added before.
  void add(const PromptRecord& record);

  /// What add() does, with the frame that a reader found `record` in (see ArchiveItem) as it is: of
  /// a member with the same layout. The record needs no layers.
  bool copy(const KvRecord& record, std::span<const std::byte> frame);
  void copy(const PromptRecord& record, std::span<const std::byte> frame);

  /// Ends the member and starts another one, to which all that follows belongs.
  void next_member(const ArchiveHeader& header);
  /// Ends the member; for a path also syncs and renames. Nothing can be added afterwards.
  void finish();

  int64_t bytes() const;  ///< written so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
