#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "kvs/donor_index.h"
#include "kvs/donor_index_writer.h"
#include "support/archive_sample.h"
#include "support/token_texts.h"

// Prompts, archives and indexes that depend on a seed only.
namespace kvs::test {

inline Tokens text(uint64_t seed, int64_t count = 200) {
  std::mt19937_64 random(seed);
  return random_tokens(random, count, 50'000);
}

inline std::vector<float> direction(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vector(8);
  for (float& value : vector) value = normal(random);
  return vector;
}

// Prompt "p<seed>" of 200 tokens and an embedding that depend on the seed.
inline PromptRecord prompt(uint64_t seed, const std::string& tenant = "",
                           Visibility visibility = Visibility::only_tenant) {
  PromptRecord record;
  record.id = "p" + std::to_string(seed);
  record.tenant = tenant;
  record.visibility = visibility;
  record.tokens = text(seed);
  record.embedding = direction(seed);
  record.embedder = "static";
  return record;
}

inline std::filesystem::path write_archive(const std::filesystem::path& path,
                                           const std::vector<PromptRecord>& prompts,
                                           const ArchiveHeader& header = sample_header()) {
  ArchiveWriter writer(path, header);
  for (const PromptRecord& one : prompts) writer.add(one);
  writer.finish();
  return path;
}

inline void build(const std::filesystem::path& folder,
                  const std::vector<std::filesystem::path>& archives, bool keep = false) {
  DonorIndexWriter writer(folder, {.mode = keep ? IndexMode::extend : IndexMode::replace});
  for (const std::filesystem::path& archive : archives) writer.add_archive(archive);
  writer.commit();
}

inline std::vector<std::string> ids(const DonorSearch& search) {
  std::vector<std::string> found;
  for (const DonorCandidate& candidate : search.candidates) found.push_back(candidate.donor.id);
  return found;
}

}  // namespace kvs::test
