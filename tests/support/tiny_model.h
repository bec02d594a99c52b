#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "kvs/engine.h"
#include "kvs/model_files.h"
#include "kvs/transformer.h"

namespace kvs::test {

inline std::string data_path(const std::string& name) {
  return std::string(KVS_TEST_DATA) + "/" + name;
}

/// The device that KVS_TEST_DEVICE names, the CPU where it is not set: how the tests of whole
/// models are run on another device (scripts/gpu-check).
inline BackendOptions test_backend() {
  const char* device = std::getenv("KVS_TEST_DEVICE");
  return {.device = device ? device : "cpu"};
}

/// A model in f32 unless told otherwise.
struct TinyModel {
  explicit TinyModel(const std::string& name, Compute compute = Compute::f32,
                     const BackendOptions& options = test_backend())
      : backend(make_backend(options)), transformer(*backend, *open_model_files(name), compute) {}

  std::unique_ptr<Backend> backend;
  Transformer transformer;
};

/// Computes the rows at `positions` (ascending) of a view whose other rows are there already, in
/// chunks of `chunk` rows. Returns their logits, [positions, vocab].
inline std::vector<float> compute_rows(Transformer& transformer, const KvView& view,
                                       const std::vector<int32_t>& tokens,
                                       const std::vector<int64_t>& positions, DType kv_type,
                                       size_t chunk = Transformer::kMaxLogitsRows) {
  std::vector<float> all, part;
  for (size_t first = 0; first < positions.size(); first += chunk) {
    Batch batch;
    const size_t end = std::min(positions.size(), first + chunk);
    for (size_t i = first; i < end; ++i) {
      const KvView::Slot slot = view.slot(positions[i]);
      batch.logits_rows.push_back(static_cast<int32_t>(i - first));
      batch.tokens.push_back(tokens[positions[i]]);
      batch.layout.rows.push_back(
          {.position = static_cast<int32_t>(positions[i]), .block = slot.block, .slot = slot.row});
    }
    batch.layout.sequences.push_back(view.runs(positions[end - 1] + 1));
    transformer.forward(batch, kv_type, part);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// 0, 1, ... count - 1.
inline std::vector<int64_t> all_positions(size_t count) {
  std::vector<int64_t> positions(count);
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

}  // namespace kvs::test
