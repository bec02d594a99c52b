#include "kvs/donor_index_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/output_file.h"
#include "index/candidates.h"
#include "index/index_data.h"
#include "index/index_folder.h"
#include "index/manifest.h"
#include "index/open_index.h"
#include "kvs/archive_reader.h"
#include "kvs/error.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCopies = "archives";
constexpr std::string_view kFileKinds[] = {"donors", "fingerprints", "vectors"};

fs::path made(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::io, "{}: {}", folder.string(), error.message());
  return folder;
}

// The path by which the index names an archive, so that both can be moved together.
std::string relative_to(const fs::path& folder, const fs::path& archive) {
  std::error_code error;
  const fs::path relative = fs::relative(archive, folder, error);
  return (error || relative.empty() ? fs::absolute(archive) : relative).string();
}

ManifestFile write_file(const fs::path& folder, std::string name,
                        std::span<const std::byte> bytes) {
  OutputFile file(folder / name);
  file.write(bytes);
  file.commit();
  return {std::move(name), static_cast<int64_t>(bytes.size()),
          hash_bytes(bytes.data(), bytes.size())};
}

// What a writer that was killed left half-written; the lock says that no other one is at work.
void remove_parts(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> parts;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().extension() == ".part") parts.push_back(entry.path());
  for (const fs::path& part : parts) fs::remove(part, ignored);
}

// A prompt's vector, waiting for commit().
struct NewVector {
  size_t scope;
  uint32_t donor;
  std::vector<float> vector;
};

}  // namespace

struct DonorIndexWriter::State {
  State(const fs::path& at, const DonorIndexOptions& options) : folder(made(at)), lock(folder) {
    std::error_code ignored;
    if (options.keep && fs::exists(folder / kManifestName, ignored)) open = open_index(folder);
    for_generations(
        [&](const fs::path&, int64_t found) { generation = std::max(generation, found); });
    on_record = options.on_record;
    open.data.factory = options.factory;
    for (uint32_t tenant = 0; tenant < data().tenants.size(); ++tenant)
      tenants[data().tenants[tenant]] = tenant;
    for (uint32_t donor = 0; donor < data().donors.size(); ++donor)
      if (!data().donors[donor].removed) known[key_of(data().donors[donor])] = donor;
  }

  IndexData& data() { return open.data; }

  static std::string key_of(const StoredDonor& donor) {
    return fmt::format("{} {}", donor.tenant, donor.id);
  }

  uint32_t tenant_number(const std::string& tenant) {
    const auto [found, is_new] =
        tenants.emplace(tenant, static_cast<uint32_t>(data().tenants.size()));
    if (is_new) data().tenants.push_back(tenant);
    return found->second;
  }

  // Everyone's donors form one scope, whoever's they are.
  size_t scope_number(uint32_t tenant, Visibility visibility) {
    auto& scopes = data().scopes;
    for (size_t at = 0; at < scopes.size(); ++at)
      if (scopes[at].visibility == visibility &&
          (visibility == Visibility::everyone || scopes[at].tenant == tenant))
        return at;
    Scope& scope = scopes.emplace_back();
    scope.tenant = tenant;
    scope.visibility = visibility;
    return scopes.size() - 1;
  }

  // Prompts without KV have no fingerprint: they go with any model that has their tokenizer.
  void expect_model(const ArchiveHeader& header, const std::string& source) {
    IndexedModel& index = data().model;
    const bool first = index.name.empty() && index.tokenizer.empty();
    if (first || index.name.empty()) index.name = header.model;
    if (first) index.tokenizer = header.tokenizer;
    if (index.fingerprint.empty()) index.fingerprint = header.fingerprint;
    if (header.tokenizer != index.tokenizer ||
        (!header.fingerprint.empty() && header.fingerprint != index.fingerprint))
      fail(ErrorKind::mismatch, "{}: made by another model ({}) than the index ({})", source,
           header.model, index.name);
  }

  void add_vector(const PromptRecord& prompt, size_t scope, uint32_t donor,
                  const std::string& source) {
    std::vector<float> vector = prompt.embedding;
    if (!normalise(vector)) return;  // none, or none that has a direction
    IndexedModel& index = data().model;
    if (index.dims == 0) {
      index.dims = static_cast<int>(vector.size());
      index.embedder = prompt.embedder;
    }
    if (prompt.embedder != index.embedder || static_cast<int>(vector.size()) != index.dims)
      fail(ErrorKind::mismatch, "{}: embeddings of {} with {} dimensions, the index has {} with {}",
           source, prompt.embedder, vector.size(), index.embedder, index.dims);
    new_vectors.push_back({scope, donor, std::move(vector)});
  }

  void add_prompt(const PromptRecord& prompt, uint32_t archive, const std::string& source) {
    StoredDonor donor;
    donor.id = prompt.id;
    donor.prompt = data().archives[archive].prompts++;
    donor.tokens_hash = hash_tokens(prompt.tokens);
    donor.tokens = static_cast<uint32_t>(prompt.tokens.size());
    donor.archive = archive;
    donor.tenant = tenant_number(prompt.tenant);
    donor.visibility = prompt.visibility;
    const auto number = static_cast<uint32_t>(data().donors.size());
    const size_t scope = scope_number(donor.tenant, donor.visibility);
    data().donors.push_back(std::move(donor));
    data().scopes[scope].fingerprints.add(number, prompt.tokens);
    add_vector(prompt, scope, number, source);
  }

  void remove(uint32_t number) {
    StoredDonor& donor = data().donors[number];
    donor.removed = true;
    data().scopes[scope_number(donor.tenant, donor.visibility)].fingerprints.remove(number);
  }

  int64_t add(const fs::path& path) {
    const uint32_t first = static_cast<uint32_t>(data().donors.size());
    const size_t first_vector = new_vectors.size();
    const IndexedModel model = data().model;
    try {
      read(path);
    } catch (const Error&) {
      for (uint32_t donor = first; donor < data().donors.size(); ++donor) remove(donor);
      data().donors.resize(first);
      data().archives.pop_back();
      new_vectors.resize(first_vector);
      data().model = model;
      throw;
    }
    for (uint32_t donor = first; donor < data().donors.size(); ++donor) {
      const auto [found, is_new] = known.emplace(key_of(data().donors[donor]), donor);
      if (!is_new) remove(std::exchange(found->second, donor));
    }
    return static_cast<int64_t>(data().donors.size()) - first;
  }

  int64_t add_copy(std::string_view stem, const ReadBytes& read_bytes) {
    const CopiedFile copied = copy_into(folder / kCopies, stem, read_bytes);
    try {
      return add(copied.path);
    } catch (const Error&) {
      std::error_code ignored;
      if (copied.is_new) fs::remove(copied.path, ignored);
      throw;
    }
  }

  void read(const fs::path& path) {
    const auto archive = static_cast<uint32_t>(data().archives.size());
    data().archives.push_back({relative_to(folder, path), 0, 0});
    ArchiveReader reader(path, {.decode_kv = false});
    while (const auto item = reader.next()) {
      if (const auto* header = std::get_if<ArchiveHeader>(&item->record))
        expect_model(*header, path.string());
      else if (const auto* prompt = std::get_if<PromptRecord>(&item->record))
        add_prompt(*prompt, archive, path.string());
      if (on_record) on_record();
    }
    std::error_code error;
    data().archives[archive].bytes = fs::file_size(path, error);
    if (error) fail(ErrorKind::io, "{}: {}", path.string(), error.message());
  }

  ScopeVectors all_vectors() {
    ScopeVectors vectors;
    if (open.vectors_file) vectors = open.read_vectors();
    vectors.resize(data().scopes.size());
    for (const NewVector& added : new_vectors) {
      auto& index = vectors[added.scope];
      if (!index) index = make_vector_index(data().model.dims, data().factory);
      index->add(added.vector);
      data().scopes[added.scope].vector_rows.push_back(added.donor);
    }
    new_vectors.clear();
    return vectors;
  }

  // Calls `body` with each file of a generation and its number. The names are trusted, not
  // MANIFEST, so that a damaged index can be replaced.
  template <typename Body>
  void for_generations(Body body) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
    for (const fs::path& file : files) {
      const std::string name = file.filename().string();
      for (const std::string_view kind : kFileKinds) {
        if (name.rfind(fmt::format("{}.", kind), 0) != 0) continue;
        int64_t number = 0;
        const char* end = name.data() + name.size();
        const auto parsed = std::from_chars(name.data() + kind.size() + 1, end, number);
        if (parsed.ec == std::errc() && parsed.ptr == end) body(file, number);
      }
    }
  }

  // What no manifest names any more. Readers that have it open keep it.
  void remove_old_files() const {
    for_generations([&](const fs::path& file, int64_t found) {
      std::error_code ignored;
      if (found != generation) fs::remove(file, ignored);
    });
    remove_parts(folder);
    remove_parts(folder / kCopies);
  }

  void commit() {
    const ScopeVectors vectors = all_vectors();
    Manifest manifest;
    manifest.generation = generation + 1;
    const auto name = [&](int kind) {
      return fmt::format("{}.{}", kFileKinds[kind], manifest.generation);
    };
    manifest.donors = write_file(folder, name(0), write_donors(data()));
    manifest.fingerprints = write_file(folder, name(1), write_fingerprints(data()));
    manifest.vectors = write_file(folder, name(2), write_vectors(vectors));
    const std::string text = write_manifest(manifest);
    write_file(folder, std::string(kManifestName), std::as_bytes(std::span(text)));
    generation = manifest.generation;
    remove_old_files();
  }

  fs::path folder;
  FolderLock lock;
  int64_t generation = 0;
  OpenIndex open;
  std::map<std::string, uint32_t> tenants;
  std::unordered_map<std::string, uint32_t> known;  // donors by tenant and id
  std::vector<NewVector> new_vectors;
  std::function<void()> on_record;
};

DonorIndexWriter::DonorIndexWriter(const fs::path& folder, const DonorIndexOptions& options)
    : state_(std::make_unique<State>(folder, options)) {}
DonorIndexWriter::~DonorIndexWriter() = default;
DonorIndexWriter::DonorIndexWriter(DonorIndexWriter&&) noexcept = default;

int64_t DonorIndexWriter::add_archive(const fs::path& path) {
  return state_->add(path);
}

int64_t DonorIndexWriter::add_copy(const fs::path& path) {
  const FileHandle file(path, O_RDONLY);
  return state_->add_copy(path.stem().string(), bytes_of(file, path.string()));
}

int64_t DonorIndexWriter::add_copy(std::istream& in) {
  return state_->add_copy("stdin", [&](std::span<std::byte> buffer) {
    in.read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(buffer.size()));
    return static_cast<size_t>(in.gcount());
  });
}

void DonorIndexWriter::commit() {
  state_->commit();
}

}  // namespace kvs
