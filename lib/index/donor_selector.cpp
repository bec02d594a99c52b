#include "index/donor_selector.h"

#include <algorithm>

namespace kvs {
namespace {

namespace fs = std::filesystem;

fs::path plain(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(path, error);
  return error ? path.lexically_normal() : absolute;
}

}  // namespace

DonorSelector::DonorSelector(const DonorSelection& which, const IndexData& data,
                             const fs::path& folder)
    : which_(which),
      data_(data),
      ids_(which.ids.begin(), which.ids.end()),
      tenants_(which.tenants.begin(), which.tenants.end()) {
  std::set<fs::path> wanted;
  for (const fs::path& path : which.archives) wanted.insert(plain(path));
  for (const StoredArchive& archive : data.archives)
    archives_.push_back(!wanted.empty() && (wanted.contains(plain(folder / archive.path)) ||
                                            std::count(which.archives.begin(), which.archives.end(),
                                                       fs::path(archive.path)) > 0));
}

bool DonorSelector::operator()(const StoredDonor& donor) const {
  if (!ids_.empty() && !ids_.contains(donor.id)) return false;
  if (!tenants_.empty() && !tenants_.contains(data_.tenants[donor.tenant])) return false;
  if (!which_.archives.empty() && !archives_[donor.archive]) return false;
  if (which_.before && donor.time >= *which_.before) return false;
  return !which_.pinned || donor.pinned == *which_.pinned;
}

}  // namespace kvs
