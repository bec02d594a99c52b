#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "index/manifest.h"

namespace kvs {

enum class IndexFile { donors, fingerprints, vectors };

/// The highest number of a generation's files, valid ones or not; 0 where there is none.
int64_t last_generation(const std::filesystem::path& folder);

/// Writes and syncs a file of a generation. Throws Error(io).
ManifestFile write_generation_file(const std::filesystem::path& folder, IndexFile kind,
                                   int64_t generation, std::span<const std::byte> bytes);

/// Makes a generation the valid one, in one step. Throws Error(io).
void publish(const std::filesystem::path& folder, const Manifest& manifest);

/// Deletes the files of a generation that never became valid.
void remove_generation(const std::filesystem::path& folder, int64_t generation);

/// Deletes what a writer that was killed left half-written. The lock must be held.
void remove_parts(const std::filesystem::path& folder);

/// The same, and files of generations that the manifest does not name. Readers that have a file
/// open keep it.
void remove_old_files(const std::filesystem::path& folder, const Manifest& manifest);

}  // namespace kvs
