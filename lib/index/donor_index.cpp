#include "kvs/donor_index.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "index/candidates.h"
#include "index/index_data.h"
#include "index/manifest.h"
#include "index/open_index.h"
#include "kvs/archive_reader.h"
#include "kvs/error.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

// Archives kept open; each holds a descriptor.
constexpr size_t kMaxOpen = 64;

}  // namespace

struct DonorIndex::State {
  State(fs::path at, OpenIndex index) : folder(std::move(at)), open(std::move(index)) {}

  fs::path folder;
  OpenIndex open;

  std::mutex mutex;  // for all below
  std::optional<ScopeVectors> vectors;
  std::vector<std::optional<bool>> usable;  // per archive, once looked at
  std::map<uint32_t, std::shared_ptr<const ArchiveFile>> files;
  std::set<uint32_t> warned;

  fs::path path_of(uint32_t archive) const {
    return (folder / open.data.archives[archive].path).lexically_normal();
  }

  const ScopeVectors& load_vectors() {
    const std::lock_guard lock(mutex);
    if (!vectors) vectors = open.read_vectors();
    return *vectors;
  }

  // Whether the archive is still the one that was indexed, by its size; contents are checked when
  // a prompt is read.
  bool check(uint32_t archive, std::vector<std::string>& warnings) {
    const std::lock_guard lock(mutex);
    usable.resize(open.data.archives.size());
    if (!usable[archive]) {
      std::error_code error;
      const uint64_t bytes = fs::file_size(path_of(archive), error);
      usable[archive] = !error && bytes == open.data.archives[archive].bytes;
      if (error)
        warn(archive, "missing", warnings);
      else if (!*usable[archive])
        warn(archive, "changed since it was indexed", warnings);
    }
    return *usable[archive];
  }

  void warn(uint32_t archive, std::string_view reason, std::vector<std::string>& warnings) {
    if (!warned.insert(archive).second) return;
    warnings.push_back(fmt::format("{}: {}; its {} prompts are no donors",
                                   path_of(archive).string(), reason,
                                   open.data.archives[archive].prompts));
  }

  // The archive is of no more use.
  void give_up(uint32_t archive, std::string_view reason, std::vector<std::string>& warnings) {
    const std::lock_guard lock(mutex);
    usable[archive] = false;
    files.erase(archive);
    warn(archive, reason, warnings);
  }

  std::shared_ptr<const ArchiveFile> file(uint32_t archive) {
    const std::lock_guard lock(mutex);
    if (files.size() >= kMaxOpen && !files.contains(archive)) files.clear();
    auto& file = files[archive];
    if (!file) file = std::make_shared<const ArchiveFile>(path_of(archive));
    return file;
  }

  Donor donor(uint32_t number) const {
    const StoredDonor& stored = open.data.donors[number];
    return {number,
            stored.id,
            open.data.tenants[stored.tenant],
            stored.visibility,
            stored.tokens,
            path_of(stored.archive),
            static_cast<int64_t>(stored.prompt)};
  }
};

DonorIndex::DonorIndex(const fs::path& folder)
    : state_(std::make_unique<State>(folder, open_index(folder))) {}
DonorIndex::~DonorIndex() = default;
DonorIndex::DonorIndex(DonorIndex&&) noexcept = default;

DonorIndexInfo DonorIndex::info() const {
  const IndexData& data = state_->open.data;
  DonorIndexInfo info;
  info.generation = state_->open.manifest.generation;
  info.model = data.model.name;
  info.fingerprint = data.model.fingerprint;
  info.tokenizer = data.model.tokenizer;
  info.embedder = data.model.embedder;
  info.dims = data.model.dims;
  info.factory = data.factory;
  std::set<std::string> structures;
  for (const Scope& scope : data.scopes)
    if (!scope.factory.empty()) structures.insert(scope.factory);
  info.structures.assign(structures.begin(), structures.end());
  info.tenants = static_cast<int64_t>(data.tenants.size());
  info.bytes = state_->open.manifest.bytes();
  for (const StoredDonor& donor : data.donors) {
    ++info.donors;
    info.tokens += donor.tokens;
    info.embeddings += donor.row != StoredDonor::kNone;
    info.pinned += donor.pinned;
  }
  for (const StoredArchive& archive : data.archives) {
    std::error_code error;
    const uint64_t bytes = fs::file_size(state_->folder / archive.path, error);
    info.archives.push_back({archive.path, static_cast<int64_t>(archive.prompts),
                             static_cast<int64_t>(archive.bytes),
                             !error && bytes == archive.bytes});
  }
  return info;
}

DonorSearch DonorIndex::search(const DonorQuery& query) const {
  const IndexData& data = state_->open.data;
  const ScopeVectors* vectors = nullptr;
  if (!query.embedding.empty() && data.model.dims > 0) {
    if (static_cast<size_t>(data.model.dims) != query.embedding.size())
      fail(ErrorKind::mismatch, "{}: its embeddings have {} dimensions, the query's has {}",
           state_->folder.string(), data.model.dims, query.embedding.size());
    vectors = &state_->load_vectors();
  }
  DonorSearch result;
  const auto usable = [&](uint32_t donor) {
    return state_->check(data.donors[donor].archive, result.warnings);
  };
  for (const Candidate& found : find_candidates(data, vectors, query, usable))
    result.candidates.push_back(
        {state_->donor(found.donor), found.similarity, found.matched, found.found_by()});
  return result;
}

std::optional<PromptRecord> DonorIndex::find_prompt(const Donor& donor,
                                                    std::vector<std::string>& warnings) const {
  if (donor.number >= state_->open.data.donors.size()) return std::nullopt;
  const StoredDonor& stored = state_->open.data.donors[donor.number];
  if (!state_->check(stored.archive, warnings)) return std::nullopt;
  try {
    const auto file = state_->file(stored.archive);
    if (stored.prompt < file->prompt_count()) {
      PromptRecord record = file->read_prompt(stored.prompt);
      if (record.id == stored.id && hash_tokens(record.tokens) == stored.tokens_hash) return record;
    }
    state_->give_up(stored.archive, "changed since it was indexed", warnings);
  } catch (const Error& error) {
    state_->give_up(stored.archive, error.what(), warnings);
  }
  return std::nullopt;
}

}  // namespace kvs
