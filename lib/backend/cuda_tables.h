#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/batch.h"
#include "kvs/batch.h"

namespace kvs {

/// A BatchLayout as the CUDA kernels take it, made on the host alone: what of the launches can be
/// known without a device is decided, and tested, here.
struct CudaTables {
  /// The rows of one sequence, and the tiles of what they see.
  struct Sequence {
    int32_t row_begin, row_end;
    int32_t tile_begin, tile_end;
  };

  std::vector<Sequence> sequences;    ///< that have rows
  std::vector<int32_t> positions;     ///< [T]
  std::vector<cuda::KvPlace> places;  ///< [T]
  std::vector<int32_t> shifts;        ///< distinct over all sequences
  std::vector<cuda::KvPiece> pieces;
  std::vector<cuda::KvTile> tiles;
  std::vector<cuda::AttentionTask> row_tasks, tile_tasks;  ///< of the two kernels
  std::vector<cuda::AttentionMerge> merges;
  int64_t partials = 0;  ///< partial results for each KV head
};

/// `multiprocessors` of the device decide how finely tasks are divided; at least 1. Throws
/// Error(mismatch) where the configuration or the layout breaks the rules stated at their types.
CudaTables make_cuda_tables(const BatchLayout& layout, const AttentionConfig& config,
                            int multiprocessors);

/// How many elements of each table there is memory for. Launches and addresses stay the same while
/// what rows see grows.
struct CudaTableRoom {
  size_t shifts = 0, pieces = 0, tiles = 0, row_tasks = 0, tile_tasks = 0, merges = 0;
  int64_t partials = 0;

  /// Makes the tables as large as the room, and the room the next power of two where they exceed
  /// it. Tasks and merges that are added have no pairs and do nothing.
  void fill_up(CudaTables& tables);
  bool operator==(const CudaTableRoom&) const = default;
};

/// Several arrays in one piece of memory, each aligned to 16 bytes: one copy brings all.
class PackedArrays {
 public:
  /// Where in the piece the array begins, in bytes.
  template <typename T>
  size_t add(const std::vector<T>& array) {
    static_assert(alignof(T) <= kAlignment);
    return add_bytes(array.data(), array.size() * sizeof(T));
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  static constexpr size_t kAlignment = 16;
  size_t add_bytes(const void* data, size_t count);

  std::vector<std::byte> bytes_;
};

/// A layer's planes. Offsets in bytes, as in KvLayout.
cuda::KvPlanes cuda_planes(const KvLayout& kv, int layer);
/// Where each row of some runs is.
std::vector<cuda::KvPlace> cuda_places(std::span<const KvRun> runs);

}  // namespace kvs
