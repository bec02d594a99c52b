#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "index/index_data.h"
#include "kvs/donor_index_writer.h"

namespace kvs {

/// Says which donors a selection means.
class DonorSelector {
 public:
  /// `folder` is the index's. `which` and `data` must outlive this.
  DonorSelector(const DonorSelection& which, const IndexData& data,
                const std::filesystem::path& folder);

  bool operator()(const StoredDonor& donor) const;

 private:
  const DonorSelection& which_;
  const IndexData& data_;
  std::set<std::string> ids_, tenants_;
  std::vector<bool> archives_;  // per archive; of use where which_.archives is not empty
};

}  // namespace kvs
