#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "kvs/hash.h"

namespace kvs {

/// One of the files that make up a generation.
struct ManifestFile {
  std::string name;
  int64_t bytes = 0;
  Hash128 hash;
};

/// What MANIFEST says: which generation is valid and what its files hold.
struct Manifest {
  int64_t generation = 0;
  ManifestFile donors, fingerprints, vectors;

  int64_t bytes() const { return donors.bytes + fingerprints.bytes + vectors.bytes; }
};

inline constexpr std::string_view kManifestName = "MANIFEST";

/// A line of JSON and a line with its hash.
std::string write_manifest(const Manifest& manifest);
/// Throws Error(format), naming `source`, where it is damaged, Error(mismatch) for another version.
Manifest read_manifest(std::string_view text, std::string_view source);

/// Throws Error(io) where the folder holds no index.
Manifest load_manifest(const std::filesystem::path& folder);

}  // namespace kvs
