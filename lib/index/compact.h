#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "index/index_data.h"
#include "index/scope_vectors.h"

namespace kvs {

struct Compaction {
  std::vector<size_t> scopes;         ///< that are left, by their numbers before
  std::vector<std::string> archives;  ///< paths of those that went
};

/// Drops donors that were removed, and archives, tenants and scopes that are nobody's then, and
/// numbers the others anew. Fingerprints of removed donors must be gone; rows of vectors stay, as
/// kNoDonor. `added` has an entry per scope.
Compaction compact(IndexData& data, const std::vector<bool>& removed,
                   const std::vector<NewVectors*>& added);

}  // namespace kvs
