#include "kernels/cuda/kernels.h"
#include "kernels/cuda/kv_vector.cuh"

namespace kvs::cuda {
namespace {

// A warp copies one key or value of one row: grid [rows, 2 K layers / warps].
template <bool to_record>
__global__ void pack_kv_kernel(std::byte* record, const KvPlace* places, KvBlocks blocks) {
  const int index = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (index >= 2 * blocks.kv_heads * blocks.layers) return;
  const KvPlace place = places[blockIdx.x];
  const KvPlanes& planes = blocks.planes;
  const VectorPlace vector = vector_place(blocks, index);
  std::byte* row = place.block + vector.row + place.slot * planes.row_bytes;
  std::byte* scale = place.block + vector.scale + place.slot * sizeof(float);

  const size_t rows = gridDim.x, heads = blocks.kv_heads;  // of the record
  const size_t scale_bytes = planes.type == KvType::q8 ? sizeof(float) : 0;
  const size_t at = ((vector.is_key ? 0 : heads) + vector.head) * rows + blockIdx.x;
  std::byte* layer = record + 2 * heads * rows * (planes.row_bytes + scale_bytes) * vector.layer;
  std::byte* packed = layer + at * planes.row_bytes;
  std::byte* packed_scale = layer + 2 * heads * rows * planes.row_bytes + at * sizeof(float);
  if (to_record)
    copy_vector(planes, packed, row, packed_scale, scale);
  else
    copy_vector(planes, row, packed, scale, packed_scale);
}

template <bool to_record>
cudaError_t launch(std::byte* record, const KvPlace* places, const KvBlocks& blocks, int64_t count,
                   cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  const auto [x, y, z] = vector_grid(count, int64_t{2} * blocks.kv_heads * blocks.layers);
  const dim3 grid(x, y, z), block(kWarp, kVectorWarps);
  pack_kv_kernel<to_record><<<grid, block, 0, stream>>>(record, places, blocks);
  return cudaGetLastError();
}

}  // namespace

cudaError_t pack_kv(std::byte* record, const KvPlace* places, const KvBlocks& blocks, int64_t count,
                    cudaStream_t stream) {
  return launch<true>(record, places, blocks, count, stream);
}

cudaError_t unpack_kv(const std::byte* record, const KvPlace* places, const KvBlocks& blocks,
                      int64_t count, cudaStream_t stream) {
  return launch<false>(const_cast<std::byte*>(record), places, blocks, count, stream);
}

}  // namespace kvs::cuda
