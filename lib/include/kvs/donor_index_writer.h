#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <istream>
#include <memory>
#include <string>

#include "kvs/export.h"

namespace kvs {

struct DonorIndexOptions {
  bool keep = false;  ///< add to what the folder holds, in place of replacing it
  std::string factory = "Flat";
  std::function<void()> on_record = {};  ///< called for each record read; may throw to stop
};

/// Builds or extends the index in a folder. Readers see the old index or the new one, never a part:
/// each commit writes files of a new generation and then renames a small MANIFEST over the old one.
/// Writers of one folder wait for each other. Without commit() nothing changes.
///
/// All archives must come from one model and tokenizer, and all embeddings from one embedder. Of
/// two prompts with one tenant and id, the one added last stays.
class KVS_API DonorIndexWriter {
 public:
  /// Makes the folder where it is missing. Throws Error(io), and what DonorIndex throws where
  /// `keep` meets a damaged index.
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

  /// Throws Error(io); then the old index is still the valid one.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
