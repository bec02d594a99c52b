#include "index/compact.h"

#include <algorithm>

namespace kvs {
namespace {

// New numbers for what is used, in the old order; kNoDonor for the rest.
std::vector<uint32_t> numbered(const std::vector<bool>& used) {
  std::vector<uint32_t> numbers;
  numbers.reserve(used.size());
  uint32_t next = 0;
  for (const bool one : used) numbers.push_back(one ? next++ : kNoDonor);
  return numbers;
}

template <typename T>
void keep_numbered(std::vector<T>& values, const std::vector<uint32_t>& numbers) {
  size_t kept = 0;
  for (size_t at = 0; at < values.size(); ++at) {
    if (numbers[at] == kNoDonor) continue;
    if (kept != at) values[kept] = std::move(values[at]);
    ++kept;
  }
  values.resize(kept);
}

void renumber(std::vector<uint32_t>& donors, const std::vector<uint32_t>& numbers) {
  for (uint32_t& donor : donors)
    if (donor != kNoDonor) donor = numbers[donor];
}

void compact_donors(IndexData& data, const std::vector<bool>& removed,
                    const std::vector<NewVectors*>& added) {
  if (std::find(removed.begin(), removed.end(), true) == removed.end()) return;
  std::vector<bool> used = removed;
  used.flip();
  const std::vector<uint32_t> numbers = numbered(used);
  keep_numbered(data.donors, numbers);
  for (size_t at = 0; at < data.scopes.size(); ++at) {
    data.scopes[at].fingerprints.renumber(numbers);
    renumber(data.scopes[at].vector_rows, numbers);
    renumber(added[at]->donors, numbers);
  }
}

std::vector<std::string> compact_archives(IndexData& data) {
  std::vector<bool> used(data.archives.size());
  for (const StoredDonor& donor : data.donors) used[donor.archive] = true;
  std::vector<std::string> gone;
  for (size_t at = 0; at < used.size(); ++at) {
    if (data.archives[at].prompts == 0) used[at] = true;  // it never had a donor
    if (!used[at]) gone.push_back(data.archives[at].path);
  }
  const std::vector<uint32_t> numbers = numbered(used);
  keep_numbered(data.archives, numbers);
  for (StoredDonor& donor : data.donors) donor.archive = numbers[donor.archive];
  return gone;
}

}  // namespace

Compaction compact(IndexData& data, const std::vector<bool>& removed,
                   const std::vector<NewVectors*>& added) {
  compact_donors(data, removed, added);
  Compaction done;
  done.archives = compact_archives(data);

  std::vector<bool> used(data.tenants.size());
  for (const StoredDonor& donor : data.donors) used[donor.tenant] = true;
  const std::vector<uint32_t> tenants = numbered(used);
  keep_numbered(data.tenants, tenants);
  for (StoredDonor& donor : data.donors) donor.tenant = tenants[donor.tenant];

  std::vector<Scope> scopes;
  for (size_t at = 0; at < data.scopes.size(); ++at) {
    Scope& scope = data.scopes[at];
    if (scope.fingerprints.stats().donors == 0) continue;
    const bool shared = scope.visibility == Visibility::everyone;  // it is no tenant's
    scope.tenant = shared ? 0 : tenants[scope.tenant];
    scopes.push_back(std::move(scope));
    done.scopes.push_back(at);
  }
  data.scopes = std::move(scopes);
  return done;
}

}  // namespace kvs
