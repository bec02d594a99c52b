#include "index/index_update.h"

#include <set>

#include "index/candidates.h"
#include "index/compact.h"
#include "index/donor_selector.h"
#include "kvs/error.h"

namespace kvs {

IndexUpdate::IndexUpdate(IndexData data) : data_(std::move(data)) {
  removed_.resize(data_.donors.size());
  for (uint32_t tenant = 0; tenant < data_.tenants.size(); ++tenant)
    tenants_[data_.tenants[tenant]] = tenant;
  for (size_t at = 0; at < data_.scopes.size(); ++at) {
    const Scope& scope = data_.scopes[at];
    const bool shared = scope.visibility == Visibility::everyone;
    scope_numbers_[{shared ? 0 : scope.tenant, scope.visibility}] = at;
    scopes_.push_back({static_cast<int64_t>(at), {}});
  }
  for (uint32_t donor = 0; donor < data_.donors.size(); ++donor)
    known_[key_of(data_.donors[donor])] = donor;
}

// Ids alone do not do: they are the users', mostly line numbers, and the same in many archives.
std::string IndexUpdate::key_of(const StoredDonor& donor) const {
  return fmt::format("{} {:x} {}", donor.tenant, donor.tokens_hash, donor.id);
}

uint32_t IndexUpdate::tenant_number(const std::string& tenant) {
  const auto [found, is_new] =
      tenants_.emplace(tenant, static_cast<uint32_t>(data_.tenants.size()));
  if (is_new) data_.tenants.push_back(tenant);
  return found->second;
}

// Everyone's donors form one scope, whoever's they are.
size_t IndexUpdate::scope_number(uint32_t tenant, Visibility visibility) {
  const uint32_t owner = visibility == Visibility::everyone ? 0 : tenant;
  const auto [found, is_new] =
      scope_numbers_.emplace(std::pair(owner, visibility), data_.scopes.size());
  if (!is_new) return found->second;
  Scope& scope = data_.scopes.emplace_back();
  scope.tenant = tenant;
  scope.visibility = visibility;
  scopes_.emplace_back();
  return found->second;
}

int64_t IndexUpdate::add(const std::function<void()>& read) {
  const auto first_donor = static_cast<uint32_t>(data_.donors.size());
  const size_t first_archive = data_.archives.size();
  const IndexedModel model = data_.model;
  try {
    read();
  } catch (...) {
    roll_back(first_donor, first_archive, model);
    throw;
  }
  fingerprints_changed_ = true;
  replace_older(first_donor);
  drop_stale(first_donor, first_archive);
  return static_cast<int64_t>(data_.donors.size()) - first_donor;
}

void IndexUpdate::roll_back(uint32_t first_donor, size_t first_archive, const IndexedModel& model) {
  for (uint32_t donor = first_donor; donor < data_.donors.size(); ++donor)
    if (!removed_[donor]) remove(donor);
  for (ScopeState& scope : scopes_) {
    NewVectors& added = scope.added;
    while (!added.donors.empty() && added.donors.back() >= first_donor) added.donors.pop_back();
    if (data_.model.dims > 0) added.values.resize(added.donors.size() * data_.model.dims);
  }
  data_.donors.resize(first_donor);
  removed_.resize(first_donor);
  data_.archives.resize(first_archive);
  data_.model = model;
}

void IndexUpdate::replace_older(uint32_t first_donor) {
  for (uint32_t donor = first_donor; donor < data_.donors.size(); ++donor) {
    const auto [found, is_new] = known_.emplace(key_of(data_.donors[donor]), donor);
    if (is_new) continue;
    const uint32_t older = std::exchange(found->second, donor);
    data_.donors[donor].pinned = data_.donors[donor].pinned || data_.donors[older].pinned;
    if (!removed_[older]) remove(older);
  }
}

// What an archive held that was written anew in the meantime.
void IndexUpdate::drop_stale(uint32_t first_donor, size_t first_archive) {
  std::set<std::string> added;
  for (size_t at = first_archive; at < data_.archives.size(); ++at)
    added.insert(data_.archives[at].path);
  std::set<uint32_t> stale;
  for (size_t at = 0; at < first_archive; ++at)
    if (added.contains(data_.archives[at].path)) stale.insert(static_cast<uint32_t>(at));
  if (stale.empty()) return;
  for (uint32_t donor = 0; donor < first_donor; ++donor) {
    if (removed_[donor] || !stale.contains(data_.donors[donor].archive)) continue;
    known_.erase(key_of(data_.donors[donor]));
    remove(donor);
  }
}

uint32_t IndexUpdate::add_archive(StoredArchive archive) {
  data_.archives.push_back(std::move(archive));
  return static_cast<uint32_t>(data_.archives.size() - 1);
}

// Prompts without KV have no fingerprint: they go with any model that has their tokenizer.
void IndexUpdate::expect_model(const ArchiveHeader& header, const std::string& source) {
  IndexedModel& index = data_.model;
  const bool first = index.name.empty() && index.tokenizer.empty();
  if (first || index.name.empty()) index.name = header.model;
  if (first) index.tokenizer = header.tokenizer;
  if (index.fingerprint.empty()) index.fingerprint = header.fingerprint;
  if (header.tokenizer != index.tokenizer ||
      (!header.fingerprint.empty() && header.fingerprint != index.fingerprint))
    fail(ErrorKind::mismatch, "{}: made by another model ({}) than the index ({})", source,
         header.model, index.name);
}

uint32_t IndexUpdate::add_donor(StoredDonor donor) {
  data_.donors.push_back(std::move(donor));
  removed_.push_back(false);
  return static_cast<uint32_t>(data_.donors.size() - 1);
}

void IndexUpdate::add_vector(std::vector<float> vector, const std::string& embedder, uint32_t donor,
                             const std::string& source) {
  if (!normalise(vector)) return;  // none, or none that has a direction
  IndexedModel& index = data_.model;
  if (index.dims == 0) {
    index.dims = static_cast<int>(vector.size());
    index.embedder = embedder;
  }
  if (embedder != index.embedder || static_cast<int>(vector.size()) != index.dims)
    fail(ErrorKind::mismatch, "{}: embeddings of {} with {} dimensions, the index has {} with {}",
         source, embedder, vector.size(), index.embedder, index.dims);
  const StoredDonor& stored = data_.donors[donor];
  NewVectors& added = scopes_[scope_number(stored.tenant, stored.visibility)].added;
  added.values.insert(added.values.end(), vector.begin(), vector.end());
  added.donors.push_back(donor);
}

void IndexUpdate::add_prompt(const PromptRecord& prompt, uint32_t archive, int64_t time,
                             const std::string& source) {
  StoredDonor donor;
  donor.id = prompt.id;
  donor.prompt = data_.archives[archive].prompts++;
  donor.tokens_hash = hash_tokens(prompt.tokens);
  donor.tokens = static_cast<uint32_t>(prompt.tokens.size());
  donor.archive = archive;
  donor.tenant = tenant_number(prompt.tenant);
  donor.visibility = prompt.visibility;
  donor.time = prompt.time != 0 ? prompt.time : time;
  const size_t scope = scope_number(donor.tenant, donor.visibility);
  const uint32_t number = add_donor(std::move(donor));
  data_.scopes[scope].fingerprints.add(number, prompt.tokens);
  add_vector(prompt.embedding, prompt.embedder, number, source);
}

void IndexUpdate::merge(const IndexData& other, const ScopeVectors& vectors,
                        const std::function<std::string(const std::string&)>& archive_path,
                        const std::string& source) {
  if (!other.donors.empty())
    expect_model({.model = other.model.name,
                  .fingerprint = other.model.fingerprint,
                  .tokenizer = other.model.tokenizer},
                 source);
  std::vector<uint32_t> archives, numbers;
  for (StoredArchive archive : other.archives) {
    archive.path = archive_path(archive.path);
    archives.push_back(add_archive(std::move(archive)));
  }
  for (StoredDonor donor : other.donors) {
    donor.archive = archives[donor.archive];
    donor.tenant = tenant_number(other.tenants[donor.tenant]);
    donor.row = StoredDonor::kNone;
    numbers.push_back(add_donor(std::move(donor)));
  }
  for (size_t at = 0; at < other.scopes.size(); ++at) {
    const Scope& scope = other.scopes[at];
    const uint32_t tenant = tenant_number(other.tenants[scope.tenant]);
    data_.scopes[scope_number(tenant, scope.visibility)].fingerprints.merge(scope.fingerprints,
                                                                            numbers);
    for (size_t row = 0; row < scope.vector_rows.size(); ++row)
      if (const uint32_t donor = scope.vector_rows[row]; donor != kNoDonor)
        add_vector(vectors[at]->row(static_cast<int64_t>(row)), other.model.embedder,
                   numbers[donor], source);
  }
}

void IndexUpdate::remove(uint32_t number) {
  const StoredDonor& donor = data_.donors[number];
  removed_[number] = true;
  fingerprints_changed_ = true;
  data_.scopes[scope_number(donor.tenant, donor.visibility)].fingerprints.remove(number);
}

std::vector<uint32_t> IndexUpdate::select(const DonorSelection& which,
                                          const std::filesystem::path& folder) const {
  const DonorSelector fits(which, data_, folder);
  std::vector<uint32_t> chosen;
  for (uint32_t donor = 0; donor < data_.donors.size(); ++donor)
    if (!removed_[donor] && fits(data_.donors[donor])) chosen.push_back(donor);
  return chosen;
}

int64_t IndexUpdate::remove(const DonorSelection& which, const std::filesystem::path& folder) {
  const std::vector<uint32_t> chosen = select(which, folder);
  for (const uint32_t donor : chosen) {
    known_.erase(key_of(data_.donors[donor]));
    remove(donor);
  }
  return static_cast<int64_t>(chosen.size());
}

int64_t IndexUpdate::pin(const DonorSelection& which, bool pinned,
                         const std::filesystem::path& folder) {
  const std::vector<uint32_t> chosen = select(which, folder);
  for (const uint32_t donor : chosen) data_.donors[donor].pinned = pinned;
  return static_cast<int64_t>(chosen.size());
}

std::vector<std::string> IndexUpdate::compact() {
  std::vector<NewVectors*> added;
  for (ScopeState& scope : scopes_) added.push_back(&scope.added);
  Compaction done = kvs::compact(data_, removed_, added);
  std::vector<ScopeState> scopes;
  for (const size_t kept : done.scopes) scopes.push_back(std::move(scopes_[kept]));
  scopes_dropped_ = scopes_dropped_ || scopes.size() < scopes_.size();
  fingerprints_changed_ = fingerprints_changed_ || scopes_dropped_;
  // The numbers that the other tables hold changed.
  IndexUpdate renewed(std::move(data_));
  renewed.fingerprints_changed_ = fingerprints_changed_;
  renewed.scopes_dropped_ = scopes_dropped_;
  renewed.scopes_ = std::move(scopes);
  *this = std::move(renewed);
  return done.archives;
}

bool IndexUpdate::vectors_changed() const {
  if (scopes_dropped_) return true;
  for (size_t at = 0; at < scopes_.size(); ++at)
    if (scopes_[at].stored == StoredDonor::kNone ||
        vectors_change(data_, data_.scopes[at], scopes_[at].added))
      return true;
  return false;
}

ScopeVectors IndexUpdate::update_vectors(ScopeVectors stored, const VectorUpdate& options) {
  ScopeVectors vectors;
  for (size_t at = 0; at < scopes_.size(); ++at) {
    auto& index = vectors.emplace_back();
    const int64_t place = std::exchange(scopes_[at].stored, static_cast<int64_t>(at));
    if (place != StoredDonor::kNone) index = std::move(stored[place]);
    NewVectors added = std::exchange(scopes_[at].added, {});
    if (!vectors_change(data_, data_.scopes[at], added)) continue;
    kvs::update_vectors(data_, data_.scopes[at], std::move(added), index, options);
  }
  fingerprints_changed_ = true;  // that file says whose the rows are
  return vectors;
}

}  // namespace kvs
