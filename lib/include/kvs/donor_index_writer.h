#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// What a writer does with the index that the folder holds.
enum class IndexMode {
  replace,  ///< starts with an empty one
  extend,   ///< goes on with it; starts with an empty one where there is none
  change,   ///< goes on with it; there must be one
};

struct DonorIndexOptions {
  IndexMode mode = IndexMode::replace;
  /// How vectors are searched: "auto" chooses by their number, see VectorIndex for the others.
  /// Empty: as before, "auto" at first.
  std::string factory = {};
  int threads = 1;                       ///< that build structures for vectors
  std::function<void()> on_record = {};  ///< called for each record read; may throw to stop
  /// Called now and then while the writer waits or works; may throw to stop, but is not called any
  /// more once a new index is being written.
  std::function<void()> on_step = {};
};

/// Donors that fit every condition given. Without any condition: all.
struct DonorSelection {
  std::vector<std::string> ids = {};                 ///< empty: any
  std::vector<std::string> tenants = {};             ///< empty: any
  std::vector<std::filesystem::path> archives = {};  ///< empty: any; also as the index writes them
  std::optional<int64_t> before = {};  ///< computed before that time, in seconds since 1970 UTC
  std::optional<bool> pinned = {};
};

/// Builds or changes the index in a folder. Readers see the old index or the new one, never a part:
/// each commit writes files of a new generation and then renames a small MANIFEST over the old one.
/// Writers of one folder wait for each other. Without commit() nothing changes.
///
/// All archives must come from one model and tokenizer, and all embeddings from one embedder. Ids
/// need not differ between archives or their members. Of two prompts with one tenant, id and
/// tokens, the one added last stays; it is pinned if the other was. An archive that is added again
/// replaces what it gave before.
class KVS_API DonorIndexWriter {
 public:
  /// Makes the folder where it is missing, but for IndexMode::change. Throws Error(io),
  /// Error(argument) for an unknown factory, and what DonorIndex throws unless `mode` is replace.
  explicit DonorIndexWriter(const std::filesystem::path& folder,
                            const DonorIndexOptions& options = {});
  ~DonorIndexWriter();
  DonorIndexWriter(DonorIndexWriter&&) noexcept;

  /// Adds the prompts of an archive, which stays where it is; returns their number. Throws what
  /// ArchiveReader throws and Error(mismatch) for another model or embedder; then nothing of it is
  /// in the index.
  int64_t add_archive(const std::filesystem::path& path);
  /// The same for a copy, made in the folder's subfolder `archives` under the archive's name and a
  /// part of its hash.
  int64_t add_copy(const std::filesystem::path& path);
  /// The same for what a stream gives, under the name "stdin". Throws what the stream throws.
  int64_t add_copy(std::istream& in);

  /// Adds the donors of another index without reading their archives, which stay where they are;
  /// returns their number. Vectors of an index with PQ come as approximate as they are there.
  /// Throws what DonorIndex throws and Error(mismatch) for another model or embedder; then nothing
  /// of it is in the index.
  int64_t merge(const std::filesystem::path& folder);

  /// Removes donors, pinned ones too; returns their number. Copied archives that no donor comes
  /// from any more are deleted by commit().
  int64_t remove(const DonorSelection& which);
  /// Sets whether donors are pinned; returns the number of those selected.
  int64_t pin(const DonorSelection& which, bool pinned);

  /// Throws Error(io), also where the disk is full; then the old index is still the valid one.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
