#include "index/generation_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/output_file.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKinds[] = {"donors", "fingerprints", "vectors"};

ManifestFile write_file(const fs::path& folder, std::string name,
                        std::span<const std::byte> bytes) {
  OutputFile file(folder / name);
  file.write(bytes);
  file.commit();
  return {std::move(name), static_cast<int64_t>(bytes.size()),
          hash_bytes(bytes.data(), bytes.size())};
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) files.push_back(entry.path());
  return files;
}

// The N of KIND.N; 0 for any other name.
int64_t generation_of(const std::string& name) {
  for (const std::string_view kind : kKinds) {
    if (name.rfind(fmt::format("{}.", kind), 0) != 0) continue;
    int64_t number = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kind.size() + 1, end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  }
  return 0;
}

}  // namespace

// The names are trusted, not MANIFEST, so that a damaged index can be replaced.
int64_t last_generation(const fs::path& folder) {
  int64_t last = 0;
  for (const fs::path& file : files_of(folder))
    last = std::max(last, generation_of(file.filename().string()));
  return last;
}

ManifestFile write_generation_file(const fs::path& folder, IndexFile kind, int64_t generation,
                                   std::span<const std::byte> bytes) {
  return write_file(folder, fmt::format("{}.{}", kKinds[static_cast<int>(kind)], generation),
                    bytes);
}

void publish(const fs::path& folder, const Manifest& manifest) {
  const std::string text = write_manifest(manifest);
  write_file(folder, std::string(kManifestName), std::as_bytes(std::span(text)));
}

void remove_generation(const fs::path& folder, int64_t generation) {
  std::error_code ignored;
  for (const std::string_view kind : kKinds)
    fs::remove(folder / fmt::format("{}.{}", kind, generation), ignored);
}

void remove_parts(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::path& file : files_of(folder))
    if (file.extension() == ".part") fs::remove(file, ignored);
}

void remove_old_files(const fs::path& folder, const Manifest& manifest) {
  std::error_code ignored;
  remove_parts(folder);
  for (const fs::path& file : files_of(folder)) {
    const std::string name = file.filename().string();
    const bool valid = name == manifest.donors.name || name == manifest.fingerprints.name ||
                       name == manifest.vectors.name;
    if (generation_of(name) > 0 && !valid) fs::remove(file, ignored);
  }
}

}  // namespace kvs
