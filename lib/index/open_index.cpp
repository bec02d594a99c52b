#include "index/open_index.h"

#include "kvs/error.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

// How often a writer may replace the index between our reading MANIFEST and the files it names.
constexpr int kMaxTries = 20;

void verify(const MappedFile& file, const ManifestFile& expected) {
  const auto bytes = file.bytes();
  if (static_cast<int64_t>(bytes.size()) != expected.bytes)
    fail(ErrorKind::format, "{}: damaged: {} bytes, expected {}", file.path(), bytes.size(),
         expected.bytes);
  if (hash_bytes(bytes.data(), bytes.size()) != expected.hash)
    fail(ErrorKind::format, "{}: damaged: the checksum does not fit", file.path());
}

// Nothing where a file is gone.
std::unique_ptr<OpenIndex> try_open(const fs::path& folder, const Manifest& manifest) {
  for (const ManifestFile* file : {&manifest.donors, &manifest.fingerprints, &manifest.vectors})
    if (std::error_code ignored; !fs::exists(folder / file->name, ignored)) return nullptr;
  const MappedFile donors(folder / manifest.donors.name);
  const MappedFile fingerprints(folder / manifest.fingerprints.name);
  auto index = std::make_unique<OpenIndex>();
  index->manifest = manifest;
  index->vectors_file = std::make_unique<MappedFile>(folder / manifest.vectors.name);
  verify(donors, manifest.donors);
  verify(fingerprints, manifest.fingerprints);
  index->data = read_donors(donors.bytes(), donors.path());
  read_fingerprints(fingerprints.bytes(), fingerprints.path(), index->data);
  index->shape = vectors_shape(index->data);
  return index;
}

}  // namespace

ScopeVectors OpenIndex::read_vectors() const {
  verify(*vectors_file, manifest.vectors);
  return kvs::read_vectors(vectors_file->bytes(), vectors_file->path(), shape);
}

OpenIndex open_index(const fs::path& folder) {
  Manifest manifest = load_manifest(folder);
  for (int tries = 0; tries < kMaxTries; ++tries) {
    try {
      if (auto index = try_open(folder, manifest)) return std::move(*index);
    } catch (const Error& error) {
      // A file may go between the look and the opening; then there is a newer generation.
      if (error.kind() != ErrorKind::io) throw;
      if (load_manifest(folder).generation == manifest.generation) throw;
    }
    const Manifest newer = load_manifest(folder);
    if (newer.generation == manifest.generation) break;
    manifest = newer;
  }
  fail(ErrorKind::io, "{}: files of generation {} are missing", folder.string(),
       manifest.generation);
}

}  // namespace kvs
