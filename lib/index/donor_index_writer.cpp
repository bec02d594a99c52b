#include "kvs/donor_index_writer.h"

#include <fcntl.h>

#include <ctime>
#include <set>

#include "index/generation_files.h"
#include "index/index_folder.h"
#include "index/index_update.h"
#include "index/vector_factory.h"
#include "kvs/archive_reader.h"
#include "kvs/error.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCopies = "archives";

fs::path prepared(const fs::path& folder, IndexMode mode) {
  std::error_code error;
  if (mode == IndexMode::change) {
    load_manifest(folder);  // before the lock's file is made in a wrong folder
    return folder;
  }
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

OpenIndex opened(const fs::path& folder, IndexMode mode) {
  std::error_code ignored;
  const bool empty = mode == IndexMode::replace ||
                     (mode == IndexMode::extend && !fs::exists(folder / kManifestName, ignored));
  return empty ? OpenIndex() : open_index(folder);
}

}  // namespace

struct DonorIndexWriter::State {
  State(const fs::path& at, const DonorIndexOptions& given)
      : options(given),
        folder(prepared(at, given.mode)),
        lock(folder, given.on_step),
        open(opened(folder, given.mode)),
        update(std::move(open.data)),
        generation(last_generation(folder)) {
    if (!options.factory.empty()) {
      if (options.factory != kAutomaticFactory) parse_vector_factory(options.factory);
      update.set_factory(options.factory);
    } else if (update.data().factory.empty()) {
      update.set_factory(std::string(kAutomaticFactory));
    }
  }

  int64_t add(const fs::path& path) {
    return update.add([&] { read(path); });
  }

  void read(const fs::path& path) {
    const uint32_t archive = update.add_archive({relative_to(folder, path), 0, 0});
    int64_t time = std::time(nullptr);
    ArchiveReader reader(path, {.decode_kv = false});
    while (const auto item = reader.next()) {
      if (const auto* header = std::get_if<ArchiveHeader>(&item->record)) {
        update.expect_model(*header, path.string());
        if (header->time != 0) time = header->time;
      } else if (const auto* prompt = std::get_if<PromptRecord>(&item->record)) {
        update.add_prompt(*prompt, archive, time, path.string());
      }
      if (options.on_record) options.on_record();
    }
    std::error_code error;
    update.set_archive_bytes(archive, fs::file_size(path, error));
    if (error) fail(ErrorKind::io, "{}: {}", path.string(), error.message());
  }

  int64_t add_copy(std::string_view stem, const ReadBytes& read_bytes) {
    const CopiedFile copied = copy_into(folder / kCopies, stem, read_bytes);
    try {
      return add(copied.path);
    } catch (...) {
      std::error_code ignored;
      if (copied.is_new) fs::remove(copied.path, ignored);
      throw;
    }
  }

  int64_t merge(const fs::path& from) {
    const OpenIndex other = open_index(from);
    const ScopeVectors vectors = other.data.model.dims > 0 ? other.read_vectors() : ScopeVectors{};
    const auto archive_path = [&](const std::string& path) {
      return relative_to(folder, from / path);
    };
    return update.add([&] { update.merge(other.data, vectors, archive_path, from.string()); });
  }

  void commit() {
    const std::vector<std::string> gone = update.compact();
    ++generation;
    try {
      open.manifest = write_generation();
    } catch (...) {
      remove_generation(folder, generation);
      throw;
    }
    open.vectors_file = std::make_unique<MappedFile>(folder / open.manifest.vectors.name);
    open.shape = vectors_shape(update.data());
    update.written();
    remove_old_files(folder, open.manifest);
    remove_copies(gone);
  }

  // What did not change stays in the files of the generation before.
  Manifest write_generation() {
    Manifest next = open.manifest;
    next.generation = generation;
    const auto write = [&](IndexFile kind, const std::vector<std::byte>& bytes) {
      return write_generation_file(folder, kind, next.generation, bytes);
    };
    if (next.vectors.name.empty() || update.vectors_changed())
      next.vectors = write(IndexFile::vectors, new_vectors());
    if (next.fingerprints.name.empty() || update.fingerprints_changed())
      next.fingerprints = write(IndexFile::fingerprints, write_fingerprints(update.data()));
    next.donors = write(IndexFile::donors, write_donors(update.data()));
    publish(folder, next);
    return next;
  }

  std::vector<std::byte> new_vectors() {
    ScopeVectors stored;
    if (open.vectors_file) stored = open.read_vectors();
    return write_vectors(
        update.update_vectors(std::move(stored), {options.threads, options.on_step}));
  }

  // Copied archives that went, and copies that were never finished.
  void remove_copies(const std::vector<std::string>& gone) const {
    std::error_code ignored;
    std::set<std::string> named;
    for (const StoredArchive& archive : update.data().archives) named.insert(archive.path);
    for (const std::string& path : gone)
      if (fs::path(path).parent_path() == kCopies && !named.contains(path))
        fs::remove(folder / path, ignored);
    remove_parts(folder / kCopies);
  }

  DonorIndexOptions options;
  fs::path folder;
  FolderLock lock;
  OpenIndex open;
  IndexUpdate update;
  int64_t generation = 0;
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

int64_t DonorIndexWriter::merge(const fs::path& folder) {
  return state_->merge(folder);
}

int64_t DonorIndexWriter::remove(const DonorSelection& which) {
  return state_->update.remove(which, state_->folder);
}

int64_t DonorIndexWriter::pin(const DonorSelection& which, bool pinned) {
  return state_->update.pin(which, pinned, state_->folder);
}

void DonorIndexWriter::commit() {
  state_->commit();
}

}  // namespace kvs
