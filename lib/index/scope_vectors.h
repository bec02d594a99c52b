#pragma once

#include <functional>
#include <string>
#include <vector>

#include "index/index_data.h"

namespace kvs {

/// What a scope's vector index is to take in.
struct NewVectors {
  std::vector<float> values;     ///< [donors, dims]
  std::vector<uint32_t> donors;  ///< kNoDonor: removed meanwhile
};

struct VectorUpdate {
  int threads = 1;
  std::function<void()> on_step = {};  ///< called now and then; may throw to stop
};

/// Whether the scope's vector index must change: for new vectors, because a ninth of its rows
/// belongs to nobody, or because its number of vectors asks for another structure.
bool vectors_change(const IndexData& data, const Scope& scope, const NewVectors& added);

/// Makes that change. `index` is the scope's, null where it has none; it is null afterwards where
/// no donor has a vector.
void update_vectors(const IndexData& data, Scope& scope, NewVectors added,
                    std::unique_ptr<VectorIndex>& index, const VectorUpdate& options);

}  // namespace kvs
